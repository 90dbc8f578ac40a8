//! The configuration of Calamares in calamares-nixos-extensions, and what an ISO makes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix_cfg_install::for_tests::{InstalledSystems, OF_TARGETS, derive, derive_targets};
use serde_yaml::Value;
use tempfile::TempDir;

use crate::real::{self, Tree};
use crate::{copy, edit, project, run, scratch, temporary};

/// The pages that every installer has; the last is shown after the installation.
pub const PAGES: [&str; 7] = [
    "welcome",
    "locale",
    "keyboard",
    "users",
    "partition",
    "summary",
    "finished",
];

/// Where a live system has the calamares-nixos-extensions of a test.
pub const EXTENSIONS: &str = "/extensions";

/// What the build of an ISO makes of `upstream`, a calamares-nixos-extensions: the package, and in its `targets` the files that
/// depend on the installed systems.
pub fn derive_all(upstream: &Path, known: &InstalledSystems) -> anyhow::Result<TempDir> {
    let directory = scratch();
    copy(upstream, directory.path());
    let targets = Path::new(EXTENSIONS).join("targets");
    derive(directory.path(), Path::new("nix-cfg-install"), &targets)?;
    derive_targets(
        upstream,
        Path::new(EXTENSIONS),
        &directory.path().join("targets"),
        known,
    )?;
    Ok(directory)
}

/// A file of a configuration. A derived one has links to what depends on the installed systems.
pub fn conf(directory: &Path, name: &str) -> PathBuf {
    let file = configuration(directory).join(name);
    match fs::read_link(&file) {
        Ok(link) => directory.join(link.strip_prefix(EXTENSIONS).unwrap()),
        Err(_) => file,
    }
}

/// The structures that upstream's configuration had; see [`fixture`].
pub const STRUCTURES: [&str; 4] = ["early", "middle", "late", "nixpkgs"];

/// One of the configurations of upstream's structure, copied to be changed. `nixpkgs` is `late` as nixpkgs' own copy is
/// installed (0.3.23): in etc, with the path of its modules, and with a weight for the job.
pub fn fixture(name: &str) -> TempDir {
    let directory = scratch();
    let source = if name == "nixpkgs" { "late" } else { name };
    copy(
        &project().join("tests/fixtures/calamares").join(source),
        directory.path(),
    );
    if name == "nixpkgs" {
        let (share, etc) = (
            directory.path().join("share/calamares"),
            directory.path().join("etc/calamares"),
        );
        fs::create_dir_all(&etc).unwrap();
        for name in ["settings.conf", "modules"] {
            fs::rename(share.join(name), etc.join(name)).unwrap();
        }
        let weight = "instances:\n- { module: nixos, weight: 48 }\n";
        edit(&directory, "etc/calamares/settings.conf", "instances:\n", weight);
        let search = format!(
            "[ local, {} ]",
            directory.path().join("lib/calamares/modules").display()
        );
        edit(
            &directory,
            "etc/calamares/settings.conf",
            "[ local, /run/current-system/sw/lib/calamares/modules ]",
            &search,
        );
    }
    directory
}

/// The calamares-nixos-extensions in a nixpkgs that has its sources, as its package installs it; at `out`, or here.
pub fn in_nixpkgs(tree: &str, out: Option<&str>) -> TempDir {
    let directory = temporary();
    let source = Path::new(tree).join(IN_NIXPKGS);
    for (from, to) in [
        ("modules", "lib/calamares/modules"),
        ("config", "etc/calamares"),
        ("branding", "share/calamares/branding"),
    ] {
        copy(&source.join(from), &directory.path().join(to));
    }
    run("chmod", &["-R", "u+w", directory.path().to_str().unwrap()]);
    let here = directory.path().display().to_string();
    edit(&directory, "etc/calamares/settings.conf", "@out@", out.unwrap_or(&here));
    edit(
        &directory,
        "etc/calamares/modules/locale.conf",
        "@glibcLocales@",
        "/usr",
    );
    directory
}

/// Where it has them.
pub const IN_NIXPKGS: &str = "pkgs/by-name/ca/calamares-nixos-extensions/src";

/// A test on each tree of `NIXPKGS` that has these sources. An older nixpkgs fetches them.
pub fn on_each_tree_with_sources(name: &str, test: fn(&Tree)) -> Vec<real::Test> {
    real::for_each_tree(name, |tree| {
        let has = Path::new(&tree.path).join(IN_NIXPKGS).exists();
        let tree = tree.clone();
        let run: Box<dyn FnOnce() + Send> = Box::new(move || test(&tree));
        has.then(|| (name.to_owned(), run)).into_iter().collect()
    })
}

/// Where the configuration of a package is.
pub fn configuration(directory: &Path) -> PathBuf {
    let etc = directory.join("etc/calamares");
    if etc.exists() {
        etc
    } else {
        directory.join("share/calamares")
    }
}

/// The style sheet of the pages in `directory`, a derived configuration.
pub fn style(directory: &Path) -> String {
    let link = fs::read_link(directory.join("share/calamares/branding/nixos/stylesheet.qss")).unwrap();
    fs::read_to_string(directory.join(link.strip_prefix(EXTENSIONS).unwrap())).unwrap()
}

/// What git says of the repository of calamares-nixos-extensions.
pub fn git(repository: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new("git")
        .args(["--git-dir", repository])
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A version of calamares-nixos-extensions, as its package installs it.
pub fn at_version(repository: &str, version: &str) -> TempDir {
    let directory = temporary();
    fs::write(
        directory.path().join("archive.tar"),
        git(repository, &["archive", version]),
    )
    .unwrap();
    let script = format!(
        "cd {} && mkdir source lib share share/calamares lib/calamares && tar -C source -xf archive.tar \
         && cp -r source/modules lib/calamares/ && cp -r source/config/. share/calamares/ && cp -r source/branding share/calamares/",
        directory.path().display()
    );
    run("sh", &["-c", &script]);
    directory
}

/// 12 GB.
const CLOSURE: u64 = 12_000_000_000;

pub fn known(users: Option<&[&str]>) -> InstalledSystems {
    InstalledSystems {
        closure_bytes: CLOSURE,
        users: users.map(|users| users.iter().map(|&name| name.to_owned()).collect()),
        ..InstalledSystems::default()
    }
}

pub fn yaml(directory: &Path, name: &str) -> Value {
    let text = fs::read_to_string(conf(directory, name)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

pub fn words(value: &Value) -> Vec<String> {
    let words = value.as_sequence().unwrap().iter();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// What has to hold whatever the version: `before` and `after` are directories.
#[track_caller]
pub fn holds(before: &Path, after: &Path, version: &str) {
    settings_hold(before, after, version);
    modules_hold(after, version);
    the_rest_is_unchanged(before, after, version);
    our_files_are_there(after, version);
}

/// settings.conf: the pages, the jobs, and where modules are searched for.
#[track_caller]
fn settings_hold(before: &Path, after: &Path, version: &str) {
    let old = yaml(before, "settings.conf");
    let new = yaml(after, "settings.conf");
    let phase = |settings: &Value, index: usize, kind: &str| words(&settings["sequence"][index][kind]);
    let exec = ["nixos@check", "partition", "mount", "nixos@install", "users", "umount"];
    assert_eq!(phase(&new, 1, "exec"), exec, "{version}");
    let kept: Vec<String> = phase(&old, 0, "show")
        .into_iter()
        .filter(|page| !page.starts_with("packagechooser") && !page.starts_with("notesqml"))
        .collect();
    assert_eq!(phase(&new, 0, "show"), kept, "{version}");
    let [choices @ .., last] = PAGES;
    for page in choices {
        assert!(kept.iter().any(|kept| kept == page), "{version}: no {page}");
    }
    assert_eq!(phase(&new, 2, "show"), [last], "{version}");
    let instances = new["instances"].as_sequence().unwrap();
    let instances: Vec<(&str, &str, u64)> = instances
        .iter()
        .map(|one| {
            (
                one["id"].as_str().unwrap(),
                one["module"].as_str().unwrap(),
                one["weight"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        instances,
        [("check", "nixos", 8), ("install", "nixos", 80)],
        "{version}"
    );
    assert_eq!(new["disable-cancel-during-exec"], Value::Bool(true), "{version}");
    // Ours are found before all others of the name, and upstream's by its own path not at all.
    let search = words(&new["modules-search"]);
    assert_eq!(search[0], "/extensions/lib/calamares/modules", "{version}");
    let mut others = words(&old["modules-search"]);
    others.retain(|directory| !Path::new(directory).starts_with(before));
    assert_eq!(search[1..], others, "{version}");
    for key in ["branding", "prompt-install", "dont-chroot", "quit-at-end"] {
        assert_eq!(new[key], old[key], "{version}: {key}");
    }
}

/// The modules whose configuration we change.
#[track_caller]
fn modules_hold(after: &Path, version: &str) {
    let requirements = &yaml(after, "modules/welcome.conf")["requirements"];
    for key in ["check", "required"] {
        let words = words(&requirements[key]);
        assert!(!words.contains(&"internet".to_owned()), "{version}: {words:?}");
        assert!(words.contains(&"storage".to_owned()), "{version}: {words:?}");
    }
    assert_eq!(requirements["requiredStorage"].as_f64(), Some(13.3), "{version}");
    assert!(yaml(after, "modules/locale.conf").get("geoip").is_none(), "{version}");
    // An automatic login is the configuration's to say.
    let users = yaml(after, "modules/users.conf");
    assert_eq!(
        (&users["displayAutologin"], &users["doAutologin"]),
        (&false.into(), &false.into()),
        "{version}"
    );
    // A country that readers of YAML 1.1 take for `false`.
    let locale = fs::read_to_string(conf(after, "modules/locale.conf")).unwrap();
    assert!(!locale.contains(": NO"), "{version}: {locale}");
}

/// What we do not decide, for instance whether the disk is unmounted after a failure.
#[track_caller]
fn the_rest_is_unchanged(before: &Path, after: &Path, version: &str) {
    for file in ["umount", "mount", "keyboard", "finished"] {
        let read = |directory: &Path| fs::read(conf(directory, &format!("modules/{file}.conf"))).ok();
        assert_eq!(read(before), read(after), "{version}: {file}.conf was changed");
    }
    let partition = |directory: &Path| yaml(directory, "modules/partition.conf");
    assert_eq!(partition(before), partition(after), "{version}");
}

/// What depends on the installed systems, our module and our slideshow.
#[track_caller]
fn our_files_are_there(after: &Path, version: &str) {
    for file in OF_TARGETS {
        let of_targets = after.join("targets").join(file);
        assert_eq!(
            conf(after, file),
            of_targets,
            "{version}: the package itself has {file}"
        );
        assert!(of_targets.exists(), "{version}: no {file}");
    }

    let main = fs::read_to_string(after.join("lib/calamares/modules/nixos/main.py")).unwrap();
    assert!(
        main.contains("--calamares"),
        "{version}: the module of upstream is still there"
    );
    assert_eq!(yaml(after, "modules/nixos-check.conf")["step"], "check", "{version}");
    assert_eq!(
        yaml(after, "modules/nixos-install.conf")["step"],
        "install",
        "{version}"
    );
    let show = fs::read_to_string(after.join("share/calamares/branding/nixos/show.qml")).unwrap();
    assert_eq!(show.matches("NixCfgStatus {}").count(), 1, "{version}");
    let branding = after.join("share/calamares/branding/nixos");
    assert!(branding.join("NixCfgStatus.qml").exists(), "{version}");
    let style = style(after);
    assert!(style.contains("QCheckBox#checkBoxDoAutoLogin"), "{version}: {style}");
}
