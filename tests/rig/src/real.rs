//! Tests that need what a checkout does not have: a real nixpkgs, another project's sources. Where
//! that is absent, cargo's summary counts them as ignored, and each line says what is needed.
//!
//! The test binaries that have such tests set `harness = false` in Cargo.toml, and list their tests in `main`. `make real`
//! sets `REAL_ROWS`: then only those run that need a nixpkgs, and each leaves a row there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use tempfile::TempDir;

use crate::rows::Rows;
use crate::{Live, Outcome, VERSIONS, project, temporary, write};

/// A nixpkgs that `NIXPKGS` names.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Its directory on this machine.
    pub path: String,
    /// `26.11`, from its file `.version`: what the names of its tests begin with; `26.11-2` for the second tree of a release.
    pub release: String,
}

impl Tree {
    /// The versions of Nix in the rig that it can be evaluated with: 26.05 and later need 2.18 (`lib/minfeatures.nix`).
    pub fn versions(&self) -> impl Iterator<Item = &'static str> {
        let recent = Path::new(&self.path).join("lib/minfeatures.nix").exists();
        VERSIONS.into_iter().filter(move |nix| !(recent && *nix == "2.8"))
    }
}

/// What a test may need, by the environment variable that names it.
const NEEDS: [(&str, &str); 6] = [
    ("NIXPKGS", "NIXPKGS=TREE[:TREE…]"),
    ("NIX_OFFLINE_ISO", "NIX_OFFLINE_ISO=DIR, the sources of nix-offline-iso"),
    (
        "CALAMARES_EXTENSIONS",
        "CALAMARES_EXTENSIONS=GIT-DIR, the repository of calamares-nixos-extensions",
    ),
    ("DISKO", "DISKO=DIR, the sources of disko"),
    (
        "OLDER",
        "OLDER=FILE, nix-cfg-install of an older commit, to be faster than",
    ),
    (
        "SECRET_MODULES",
        "SECRET_MODULES=DIR, the sources of sops-nix, agenix, impermanence and lanzaboote in it",
    ),
];

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// The value of a variable of [`NEEDS`].
///
/// # Errors
/// If it is not set, or names what does not exist.
pub fn value(variable: &str) -> Result<String, String> {
    let (_, what) = NEEDS.into_iter().find(|(name, _)| *name == variable).unwrap();
    let value = set(variable).ok_or_else(|| format!("this test needs {what}"))?;
    if variable != "NIXPKGS" && !Path::new(&value).exists() {
        return Err(format!("{variable} names {value}, which does not exist"));
    }
    Ok(value)
}

/// The trees of `NIXPKGS`.
///
/// # Errors
/// If it is not set, or one of its parts is no nixpkgs.
pub fn trees() -> Result<Vec<Tree>, String> {
    let mut trees: Vec<Tree> = Vec::new();
    for path in value("NIXPKGS")?.split(':').filter(|path| !path.is_empty()) {
        let version = Path::new(path).join(".version");
        let release = std::fs::read_to_string(&version).map_err(|error| {
            format!(
                "NIXPKGS names {path}, which is no nixpkgs: {}: {error}",
                version.display()
            )
        })?;
        let release = release.trim();
        let same = trees
            .iter()
            .filter(|tree| tree.release.split('-').next() == Some(release));
        let release = match same.count() {
            0 => release.to_owned(),
            before => format!("{release}-{}", before + 1),
        };
        let path = path.to_owned();
        trees.push(Tree { path, release });
    }
    if trees.is_empty() {
        return Err("NIXPKGS names no tree".to_owned());
    }
    Ok(trees)
}

/// A test, and the variables of [`NEEDS`] without which it cannot run.
pub struct Test {
    name: String,
    needs: Vec<&'static str>,
    /// Takes many minutes: only for `make real`.
    long: bool,
    run: Box<dyn FnOnce() -> Result<(), Failed> + Send>,
}

/// The name of a test function.
fn name_of<T>(_: T) -> String {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name).to_owned()
}

/// A test that needs nothing more than the rig.
pub fn plain(test: impl Fn() + Copy + Send + 'static) -> Vec<Test> {
    let run = Box::new(move || {
        test();
        Ok(())
    });
    vec![Test {
        name: name_of(test),
        needs: Vec::new(),
        long: false,
        run,
    }]
}

/// A test that needs what `variable` names.
pub fn with(variable: &'static str, test: impl Fn(&str) + Copy + Send + 'static) -> Vec<Test> {
    let run = Box::new(move || {
        test(&value(variable)?);
        Ok(())
    });
    vec![Test {
        name: name_of(test),
        needs: vec![variable],
        long: false,
        run,
    }]
}

/// A test that runs on each tree of `NIXPKGS`.
pub fn on_each_tree(test: impl Fn(&Tree) + Copy + Send + 'static) -> Vec<Test> {
    on_each_tree_with(&[], test)
}

/// A test that runs on each tree of `NIXPKGS`, and needs what `also` name besides.
pub fn on_each_tree_with(also: &'static [&'static str], test: impl Fn(&Tree) + Copy + Send + 'static) -> Vec<Test> {
    let name = name_of(test);
    let tests = for_each_tree(&name, |tree| {
        let tree = tree.clone();
        let run = move || {
            for variable in also {
                value(variable).unwrap();
            }
            test(&tree);
        };
        vec![(name.clone(), Box::new(run) as Box<dyn FnOnce() + Send>)]
    });
    needing(also, tests)
}

/// They need what `variables` name besides.
pub fn needing(variables: &[&'static str], mut tests: Vec<Test>) -> Vec<Test> {
    for test in &mut tests {
        test.needs.extend(variables);
    }
    tests
}

/// For each tree of `NIXPKGS`, the tests that `make` gives by name; `all` is the name of them all where there is no tree.
pub fn for_each_tree(all: &str, make: impl Fn(&Tree) -> Vec<(String, Box<dyn FnOnce() + Send>)>) -> Vec<Test> {
    let test = |name: String, run| Test {
        name,
        needs: vec!["NIXPKGS"],
        long: false,
        run,
    };
    let trees = match trees() {
        Ok(trees) => trees,
        // Run all the same (`--ignored`), it fails.
        Err(reason) => return vec![test(all.to_owned(), Box::new(move || Err(reason.into())))],
    };
    let on = |tree: &Tree| {
        let release = tree.release.clone();
        let tests = make(tree).into_iter();
        tests.map(move |(name, run)| {
            let run = Box::new(|| {
                run();
                Ok(())
            });
            test(format!("{release}/{name}"), run)
        })
    };
    trees.iter().flat_map(on).collect()
}

/// They take many minutes: only `make real` runs them.
pub fn long(mut tests: Vec<Test>) -> Vec<Test> {
    for test in &mut tests {
        test.long = true;
    }
    tests
}

/// Runs the tests of the binary whose source is `file`, as cargo's own harness would.
pub fn run(file: &str, tests: Vec<Vec<Test>>) -> ExitCode {
    let source = std::fs::read_to_string(project().join(file)).unwrap();
    let attribute = source.lines().position(|line| line.trim() == "#[test]");
    assert_eq!(
        attribute, None,
        "{file}: a test with the attribute is compiled out here; list it in main"
    );
    let mut arguments = Arguments::from_args();
    let tests = tests.into_iter().flatten();
    let trials = if let Some(directory) = set("REAL_ROWS") {
        let picked = |test: &Test| {
            arguments
                .filter
                .as_ref()
                .is_none_or(|filter| test.name.contains(filter))
        };
        let lacks = |test: &Test| test.needs[1..].iter().any(|variable| set(variable).is_none());
        let tests: Vec<Test> = tests
            .filter(|test| test.needs.contains(&"NIXPKGS") && picked(test) && !lacks(test))
            .collect();
        let stem = Path::new(file).file_stem().unwrap().to_str().unwrap();
        let names = tests.iter().map(|test| test.name.clone()).collect();
        let rows = Arc::new(Rows::new(&Path::new(&directory).join(format!("{stem}.json")), names));
        let recorded = |(index, test): (usize, Test)| {
            let rows = rows.clone();
            Trial::test(test.name, move || rows.record(index, test.run))
        };
        tests.into_iter().enumerate().map(recorded).collect()
    } else {
        tests.map(trial).collect()
    };
    // One evaluation of a real nixpkgs takes gigabytes and all of a processor.
    if set("NIXPKGS").is_some() {
        arguments.test_threads = arguments.test_threads.or(Some(1));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Ignored if what it needs is not set. What is set and wrong is a failure, not a reason to ignore the test.
fn trial(test: Test) -> Trial {
    let trial = Trial::test(test.name, test.run);
    if let Some(variable) = test.needs.into_iter().find(|variable| set(variable).is_none()) {
        trial.with_kind(format!("needs {variable}")).with_ignored_flag(true)
    } else if test.long {
        trial.with_kind("make real").with_ignored_flag(true)
    } else {
        trial
    }
}

/// A live system whose channel is the real nixpkgs, with a server as its configuration and `more` in it.
pub fn server(nix: &str, nixpkgs: &Tree, more: &str) -> (Live, TempDir) {
    let tree = temporary();
    // A tree without a binary cache's large data files evaluates with these stubs.
    let text = format!(
        r#"{{ pkgs, lib, ... }}:
{{
  imports = [ ./hardware-configuration.nix ];
  nixpkgs.overlays = [
    (final: prev: {{
      shellcheck = prev.hello;
      shellcheck-minimal = prev.hello // {{ compiler = prev.hello // {{ bootstrapAvailable = true; }}; }};
      pandoc = prev.hello;
    }})
  ];
  boot.loader.systemd-boot.enable = true;
  networking.hostName = "real";
  system.stateVersion = "24.05";
  {more}
}}
"#
    );
    write(&tree, "configuration.nix", &text);
    let live = Live::with_disk(nix)
        .iso_tree(tree.path())
        .with(&["--bind", &format!("{}:/nixpkgs", nixpkgs.path)]);
    live.sh("echo 'nixpkgs: /nixpkgs' > /etc/nix-cfg-install.yaml").ok();
    (live, tree)
}

/// What Nix says of an expression with the nixpkgs at /nixpkgs, and these files and directories at their places: a value as JSON.
pub fn evaluated(tree: &Tree, more: &[(PathBuf, &str)], expression: &str) -> Outcome {
    let nixpkgs = (PathBuf::from(&tree.path), "/nixpkgs");
    let binds = more.iter().chain([&nixpkgs]);
    let binds: Vec<String> = binds.map(|(from, at)| format!("{}:{at}", from.display())).collect();
    let binds: Vec<&str> = binds.iter().flat_map(|bind| ["--bind", bind]).collect();
    let expression = expression.replace('\'', r"'\''");
    let evaluate = format!("nix-instantiate --eval --strict --json --read-write-mode -E '{expression}'");
    Live::new("2.34").with(&binds).sh(&evaluate).ok()
}
