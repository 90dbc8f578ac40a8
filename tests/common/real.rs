//! Tests that need what a checkout does not have: a real nixpkgs, the stock nixos-install, another project's sources. Where
//! that is absent, cargo's summary counts them as ignored, and each line says what is needed.
//!
//! The test binaries that have such tests set `harness = false` in Cargo.toml, and list their tests in `main`.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use super::project;

/// A nixpkgs that `NIXPKGS` names.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Its directory on this machine.
    pub path: String,
    /// `26.11`, from its file `.version`; `26.11-2` for the second tree of a release.
    pub release: String,
}

/// What a test may need, by the environment variable that names it.
const NEEDS: [(&str, &str); 4] = [
    ("NIXPKGS", "NIXPKGS=TREE[:TREE…]"),
    (
        "NIXOS_INSTALL",
        "NIXOS_INSTALL=FILE, the stock nixos-install, with nixos-enter.sh beside it",
    ),
    ("NIX_OFFLINE_ISO", "NIX_OFFLINE_ISO=DIR, the sources of nix-offline-iso"),
    (
        "CALAMARES_EXTENSIONS",
        "CALAMARES_EXTENSIONS=GIT-DIR, the repository of calamares-nixos-extensions",
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

/// The name of a test function.
fn name_of<T>(_: T) -> String {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name).to_owned()
}

/// A test that needs nothing more than the rig.
pub fn plain(test: impl Fn() + Copy + Send + 'static) -> Vec<Trial> {
    let trial = Trial::test(name_of(test), move || {
        test();
        Ok(())
    });
    vec![trial]
}

/// A test that needs what `variable` names.
pub fn with(variable: &'static str, test: impl Fn(&str) + Copy + Send + 'static) -> Vec<Trial> {
    let trial = Trial::test(name_of(test), move || {
        test(&value(variable)?);
        Ok(())
    });
    vec![lacking(trial, &[variable])]
}

/// A test that runs on each tree of `NIXPKGS`.
pub fn on_each_tree(test: impl Fn(&Tree) + Copy + Send + 'static) -> Vec<Trial> {
    on_each_tree_with(&[], test)
}

/// A test that runs on each tree of `NIXPKGS`, and needs what `also` name besides.
pub fn on_each_tree_with(also: &[&'static str], test: impl Fn(&Tree) + Copy + Send + 'static) -> Vec<Trial> {
    let name = name_of(test);
    let needs = [&["NIXPKGS"], also].concat();
    let trees = match trees() {
        Ok(trees) => trees,
        // Run all the same (`--ignored`), it fails.
        Err(reason) => return vec![lacking(Trial::test(name, move || Err(reason.into())), &needs)],
    };
    let on = |tree: Tree| {
        let also = also.to_vec();
        let trial = Trial::test(format!("{}: {name}", tree.release), move || {
            also.iter().try_for_each(|variable| value(variable).map(drop))?;
            test(&tree);
            Ok(())
        });
        lacking(trial, &needs)
    };
    trees.into_iter().map(on).collect()
}

/// Ignored if one of `needs` is not set. What is set and wrong is a failure, not a reason to ignore the test.
fn lacking(trial: Trial, needs: &[&str]) -> Trial {
    let lacks = |(variable, _): &&(&str, &str)| needs.contains(variable) && set(variable).is_none();
    match NEEDS.iter().find(lacks) {
        Some((variable, _)) => trial.with_kind(format!("needs {variable}")).with_ignored_flag(true),
        None => trial,
    }
}

/// Runs the tests of the binary whose source is `file`, as cargo's own harness would.
pub fn run(file: &str, trials: Vec<Vec<Trial>>) -> ExitCode {
    let source = std::fs::read_to_string(project().join(file)).unwrap();
    let attribute = source.lines().position(|line| line.trim() == "#[test]");
    assert_eq!(
        attribute, None,
        "{file}: a test with the attribute is compiled out here; list it in main"
    );
    let mut arguments = Arguments::from_args();
    // One evaluation of a real nixpkgs takes gigabytes and all of a processor.
    if set("NIXPKGS").is_some() {
        arguments.test_threads = arguments.test_threads.or(Some(1));
    }
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}
