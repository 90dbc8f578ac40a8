//! Upstream's configuration of Calamares becomes that of an offline installer: in the three structures that it had, and in
//! every version of the real repository (`CALAMARES_EXTENSIONS`).

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use nix_cfg_install::iso::calamares_config::{InstalledSystems, OF_TARGETS, derive_targets};
use rig::gui::{STRUCTURES, at_version, conf, derive_all, fixture, git, in_nixpkgs, on_each_tree_with_sources};
use rig::real::{self, Tree, on_each_tree, plain, with};
use rig::{Live, project};
use serde_yaml::Value;

/// 12 GB.
const CLOSURE: u64 = 12_000_000_000;

fn known(users: Option<&[&str]>) -> InstalledSystems {
    InstalledSystems {
        closure_bytes: CLOSURE,
        users: users.map(|users| users.iter().map(|&name| name.to_owned()).collect()),
        hosts: Vec::new(),
        without: Vec::new(),
    }
}

fn yaml(folder: &Path, name: &str) -> Value {
    let text = fs::read_to_string(conf(folder, name)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_sequence().unwrap().iter();
    words.map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// What has to hold whatever the version: `before` and `after` are folders.
#[track_caller]
fn holds(before: &Path, after: &Path, version: &str) {
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
    for page in ["welcome", "locale", "keyboard", "users", "partition", "summary"] {
        assert!(kept.iter().any(|kept| kept == page), "{version}: no {page}");
    }
    assert_eq!(phase(&new, 2, "show"), ["finished"], "{version}");
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
    others.retain(|folder| !Path::new(folder).starts_with(before));
    assert_eq!(search[1..], others, "{version}");
    for key in ["branding", "prompt-install", "dont-chroot", "quit-at-end"] {
        assert_eq!(new[key], old[key], "{version}: {key}");
    }

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

    // What is not ours to decide: among it that the disk is unmounted after a failure, too.
    for file in ["umount", "mount", "keyboard", "finished"] {
        let read = |folder: &Path| fs::read(conf(folder, &format!("modules/{file}.conf"))).ok();
        assert_eq!(read(before), read(after), "{version}: {file}.conf was changed");
    }
    let partition = |folder: &Path| yaml(folder, "modules/partition.conf");
    assert_eq!(partition(before), partition(after), "{version}");
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
    let style = fs::read_to_string(branding.join("stylesheet.qss")).unwrap();
    assert!(style.contains("QCheckBox#checkBoxDoAutoLogin"), "{version}: {style}");
}

fn a_style_sheet_of_upstream_is_kept_and_ours_comes_after_it() {
    let folder = fixture("late");
    let file = folder.path().join("share/calamares/branding/nixos/stylesheet.qss");
    fs::write(&file, "QWidget { color: red; }\n").unwrap();
    let after = derive_all(folder.path(), &known(None)).unwrap();
    let style = fs::read_to_string(after.path().join("share/calamares/branding/nixos/stylesheet.qss")).unwrap();
    assert!(
        style.starts_with("QWidget { color: red; }\n/*") && style.contains("#checkBoxDoAutoLogin"),
        "{style}"
    );
}

fn every_structure_that_upstream_had_becomes_an_offline_installer() {
    for version in STRUCTURES {
        let before = fixture(version);
        let after = derive_all(before.path(), &known(None)).unwrap();
        holds(before.path(), after.path(), version);
    }
}

fn of_several_hosts_one_has_to_be_chosen_on_a_page_and_of_one_none() {
    for version in STRUCTURES {
        let derived = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|&name| name.to_owned()).collect();
            derive_all(fixture(version).path(), &InstalledSystems { hosts, ..known(None) }).unwrap()
        };
        let one = derived(&["alpha"]);
        assert!(
            !fs::read_to_string(conf(one.path(), "settings.conf"))
                .unwrap()
                .contains("packagechooser")
        );
        let two = derived(&["alpha", "beta's"]);
        let settings = yaml(two.path(), "settings.conf");
        let pages = words(&settings["sequence"][0]["show"]);
        assert_eq!(pages[..2], ["welcome", "packagechooser@host"], "{version}");
        assert_eq!(
            pages.iter().filter(|page| page.starts_with("packagechooser")).count(),
            1,
            "{version}"
        );
        assert_eq!(words(&settings["sequence"][2]["show"]), ["finished"], "{version}");
        let instances = settings["instances"].as_sequence().unwrap();
        let page = instances.iter().find(|one| one["id"] == "host").unwrap();
        let page = yaml(two.path(), &format!("modules/{}", page["config"].as_str().unwrap()));
        assert_eq!(
            (page["mode"].as_str(), page["method"].as_str()),
            (Some("required"), Some("legacy"))
        );
        let items: Vec<&str> = page["items"]
            .as_sequence()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().unwrap())
            .collect();
        assert_eq!(items, ["alpha", "beta's"], "{version}");
    }
}

fn a_file_system_that_grub_cannot_read_is_not_offered() {
    for version in ["late", "nixpkgs"] {
        let offered = |without: &[&str]| {
            let without = without.iter().map(|&name| name.to_owned()).collect();
            let folder = derive_all(fixture(version).path(), &InstalledSystems { without, ..known(None) }).unwrap();
            let partition = yaml(folder.path(), "modules/partition.conf");
            assert_eq!(partition["defaultFileSystemType"], "ext4");
            words(&partition["availableFileSystemTypes"])
        };
        assert_eq!(offered(&[]), ["ext4", "btrfs", "xfs", "f2fs"], "{version}");
        assert_eq!(offered(&["xfs"]), ["ext4", "btrfs", "f2fs"], "{version}");
    }
}

/// What nix/unreadable.nix says for the packages of a real nixpkgs, and for others with one difference.
const UNREADABLE: &str = r#"
let
  pkgs = import /nixpkgs { config = { }; overlays = [ ]; system = "x86_64-linux"; };
  grub = { enable = true; efiSupport = false; devices = [ "/dev/sda" ]; };
  names = changed: loader:
    import /nix-cfg-install/unreadable.nix {
      pkgs.xfsprogs.name = changed.xfsprogs or pkgs.xfsprogs.name;
      targets = [
        {
          pkgs.grub2 = { inherit (pkgs.grub2) name patches; } // changed.grub2 or { };
          config.boot.loader.grub = grub // loader;
        }
      ];
    };
in
{
  bios = names { } { };
  uefi = names { } { efiSupport = true; devices = [ "nodev" ]; };
  hybrid = names { } { efiSupport = true; };
  other = names { } { enable = false; };
  new = names { xfsprogs = "xfsprogs-6.18.0"; grub2.name = "grub-2.12"; } { };
  old = names { xfsprogs = "xfsprogs-6.13.0"; grub2.name = "grub-2.12"; } { };
  able = names { xfsprogs = "xfsprogs-7.0.1"; grub2.name = "grub-2.14"; } { };
  patched = names {
    xfsprogs = "xfsprogs-7.0.1";
    grub2.name = "grub-2.12";
    grub2.patches = pkgs.grub2.patches ++ [ { name = "fs_xfs_add_new_superblock_features.patch"; } ];
  } { };
}"#;

fn what_a_real_nixpkgs_makes_of_xfs_is_offered_if_its_grub_can_read_it(tree: &Tree) {
    let live = Live::bare("2.26").with(&[
        "--bind",
        &format!("{}:/nixpkgs", tree.path),
        "--bind",
        &format!("{}:/nix-cfg-install", project().join("nix").display()),
    ]);
    let said = live
        .sh(&format!("nix-instantiate --eval --strict --json -E '{UNREADABLE}'"))
        .ok();
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    // mkfs.xfs 6.6 and GRUB 2.12; mkfs.xfs 7.0.1 and GRUB 2.12 without the patch.
    let fits = match tree.release.split('-').next() {
        Some("24.05") => true,
        Some("26.11") => false,
        // Of other releases only the rule is known.
        _ => told["bios"] == serde_json::json!([]),
    };
    let xfs = serde_json::json!(["xfs"]);
    let none = serde_json::json!([]);
    let expected = serde_json::json!({
        "bios": if fits { &none } else { &xfs }, "hybrid": if fits { &none } else { &xfs },
        "uefi": none, "other": none, "new": xfs, "old": none, "able": none, "patched": none,
    });
    assert_eq!(told, expected);
}

fn the_only_user_is_preset_and_locked_and_a_choice_among_several_stays_open() {
    for version in STRUCTURES {
        let login = |users: Option<&[&str]>| {
            let folder = derive_all(fixture(version).path(), &known(users)).unwrap();
            yaml(folder.path(), "modules/users.conf")["presets"]["loginName"].clone()
        };
        let before = yaml(fixture(version).path(), "modules/users.conf");
        assert_eq!(
            login(Some(&["alice"])),
            serde_yaml::from_str::<Value>("{ value: alice, editable: false }").unwrap()
        );
        assert_eq!(login(Some(&["alice", "bob"])), before["presets"]["loginName"]);
        assert_eq!(login(None), before["presets"]["loginName"]);
    }
}

fn without_any_user_none_is_asked_for_and_no_password_is_set() {
    let folder = derive_all(fixture("late").path(), &known(Some(&[]))).unwrap();
    let settings = fs::read_to_string(conf(folder.path(), "settings.conf")).unwrap();
    assert!(!settings.contains("\"users\""), "{settings}");
}

fn a_configuration_without_the_job_is_refused() {
    let folder = fixture("late");
    let file = folder.path().join("share/calamares/settings.conf");
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("mount, nixos, users", "mount, users");
    fs::write(&file, &text).unwrap();
    let out = folder.path().join("targets");
    let error = derive_targets(folder.path(), folder.path(), &out, &known(None)).unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("No exec phase of Calamares has the job `nixos`"),
        "{error}"
    );
    assert!(!out.exists(), "it was written all the same");
}

fn every_version_of_the_real_repository_becomes_an_offline_installer(repository: &str) {
    let tags = String::from_utf8(git(repository, &["tag", "--sort=version:refname"])).unwrap();
    let first = tags
        .lines()
        .position(|tag| tag == "0.2.2")
        .expect("the repository has no 0.2.2");
    let versions: Vec<&str> = tags.lines().skip(first).collect();
    assert!(versions.contains(&"0.3.15"), "{versions:?}");
    for version in versions {
        let before = at_version(repository, version);
        let after = derive_all(before.path(), &known(None)).unwrap_or_else(|error| panic!("{version}: {error:#}"));
        holds(before.path(), after.path(), version);
    }
}

fn the_sources_in_nixpkgs_become_an_offline_installer(tree: &Tree) {
    let before = in_nixpkgs(&tree.path, None);
    let after = derive_all(before.path(), &known(None)).unwrap();
    holds(before.path(), after.path(), &tree.release);
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            plain(a_style_sheet_of_upstream_is_kept_and_ours_comes_after_it),
            plain(every_structure_that_upstream_had_becomes_an_offline_installer),
            plain(of_several_hosts_one_has_to_be_chosen_on_a_page_and_of_one_none),
            plain(the_only_user_is_preset_and_locked_and_a_choice_among_several_stays_open),
            plain(a_file_system_that_grub_cannot_read_is_not_offered),
            plain(without_any_user_none_is_asked_for_and_no_password_is_set),
            plain(a_configuration_without_the_job_is_refused),
            on_each_tree(what_a_real_nixpkgs_makes_of_xfs_is_offered_if_its_grub_can_read_it),
            with(
                "CALAMARES_EXTENSIONS",
                every_version_of_the_real_repository_becomes_an_offline_installer,
            ),
            on_each_tree_with_sources(
                "the_sources_in_nixpkgs_become_an_offline_installer",
                the_sources_in_nixpkgs_become_an_offline_installer,
            ),
        ],
    )
}
