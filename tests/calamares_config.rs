//! Upstream's configuration of Calamares becomes that of an offline installer, in the structures that it had. The versions of
//! the real repository, and the copies in nixpkgs, are in the test of the same name in tests/rig.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;

use nix_cfg_install::for_tests::{InstalledSystems, derive_targets};
use rig::upstream::{STRUCTURES, conf, derive_all, fixture, holds, known, style, words, yaml};
use serde_json::json;
use serde_yaml::Value;

#[test]
fn a_style_sheet_of_upstream_is_kept_and_ours_comes_after_it() {
    let directory = fixture("late");
    let file = directory.path().join("share/calamares/branding/nixos/stylesheet.qss");
    fs::write(&file, "QWidget { color: red; }\n").unwrap();
    let after = derive_all(directory.path(), &known(None)).unwrap();
    let style = style(after.path());
    assert!(
        style.starts_with("QWidget { color: red; }\n/*") && style.contains("#checkBoxDoAutoLogin"),
        "{style}"
    );
}

#[test]
fn every_structure_that_upstream_had_becomes_an_offline_installer() {
    for version in STRUCTURES {
        let before = fixture(version);
        let after = derive_all(before.path(), &known(None)).unwrap();
        holds(before.path(), after.path(), version);
    }
}

#[test]
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

#[test]
fn of_stock_nixos_the_page_for_the_desktop_has_those_of_the_iso_and_what_is_open_is_asked() {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let stock = |version: &str, hosts: &[&str]| {
        let known = InstalledSystems {
            hosts: owned(hosts),
            desktops: true,
            open: owned(&["autologin", "unfree"]),
            ..known(None)
        };
        derive_all(fixture(version).path(), &known).unwrap()
    };
    for version in STRUCTURES {
        let directory = stock(version, &["plasma6", "none"]);
        let settings = yaml(directory.path(), "settings.conf");
        let pages = words(&settings["sequence"][0]["show"]);
        let at = |page: &str| pages.iter().position(|one| one == page).unwrap();
        assert!(
            !pages
                .iter()
                .any(|page| page == "packagechooser" || page.starts_with("packagechooserq"))
        );
        // Where upstream asks it.
        let is_early = version == "early";
        assert_eq!(
            at("packagechooser@host") < at("users"),
            is_early,
            "{version}: {pages:?}"
        );
        let users = yaml(directory.path(), "modules/users.conf");
        assert_eq!(users["displayAutologin"], true, "{version}");
        assert_eq!(style(directory.path()), "", "{version}");
    }
    // Since 0.3.14 the page says what was chosen in a way of its own.
    for version in ["late", "nixpkgs"] {
        let directory = stock(version, &["plasma6", "none", "xfce"]);
        let settings = yaml(directory.path(), "settings.conf");
        let pages = words(&settings["sequence"][0]["show"]);
        let expected = "welcome locale keyboard users packagechooser@host notesqml@unfree partition summary";
        assert_eq!(pages.join(" "), expected, "{version}");
        let instances = settings["instances"].as_sequence().unwrap();
        assert!(instances.iter().any(|one| one["module"] == "notesqml"), "{version}");
        let page = yaml(directory.path(), "modules/packagechooser-host.conf");
        assert_eq!(
            (&page["labels"]["step"], &page["default"]),
            (&"Desktop".into(), &"plasma6".into())
        );
        let items = page["items"].as_sequence().unwrap().iter();
        let items: Vec<_> = items
            .map(|item| (item["id"].as_str().unwrap(), item["name"].as_str().unwrap()))
            .collect();
        assert_eq!(items, [("plasma6", "Plasma"), ("none", "No desktop"), ("xfce", "xfce")]);
        // Of a single one there is nothing to choose.
        let one = stock(version, &["gnome"]);
        let settings = yaml(one.path(), "settings.conf");
        assert!(
            !words(&settings["sequence"][0]["show"])
                .iter()
                .any(|page| page.starts_with("packagechooser"))
        );
    }
}

#[test]
fn a_page_that_all_configurations_answer_is_not_shown() {
    for version in STRUCTURES {
        let decided = vec!["locale".to_owned(), "keyboard".to_owned()];
        let directory = derive_all(fixture(version).path(), &InstalledSystems { decided, ..known(None) }).unwrap();
        let settings = yaml(directory.path(), "settings.conf");
        let pages = words(&settings["sequence"][0]["show"]);
        assert_eq!(pages, ["welcome", "users", "partition", "summary"], "{version}");
    }
}

#[test]
fn a_file_system_that_grub_cannot_read_is_not_offered() {
    for version in ["late", "nixpkgs"] {
        let offered = |without: &[&str]| {
            let without = without.iter().map(|&name| name.to_owned()).collect();
            let directory = derive_all(fixture(version).path(), &InstalledSystems { without, ..known(None) }).unwrap();
            let partition = yaml(directory.path(), "modules/partition.conf");
            assert_eq!(partition["defaultFileSystemType"], "ext4");
            words(&partition["availableFileSystemTypes"])
        };
        assert_eq!(offered(&[]), ["ext4", "btrfs", "xfs", "f2fs"], "{version}");
        assert_eq!(offered(&["xfs"]), ["ext4", "btrfs", "f2fs"], "{version}");
    }
}

#[test]
fn the_only_user_is_preset_and_locked_and_a_choice_among_several_stays_open() {
    for version in STRUCTURES {
        let login = |users: Option<&[&str]>| {
            let directory = derive_all(fixture(version).path(), &known(users)).unwrap();
            yaml(directory.path(), "modules/users.conf")["presets"]["loginName"].clone()
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

#[test]
fn without_any_user_none_is_asked_for_and_no_password_is_set() {
    let directory = derive_all(fixture("late").path(), &known(Some(&[]))).unwrap();
    let settings = fs::read_to_string(conf(directory.path(), "settings.conf")).unwrap();
    assert!(!settings.contains("\"users\""), "{settings}");
}

#[test]
fn a_configuration_without_the_job_is_refused() {
    let directory = fixture("late");
    let file = directory.path().join("share/calamares/settings.conf");
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("mount, nixos, users", "mount, users");
    fs::write(&file, &text).unwrap();
    let out = directory.path().join("targets");
    let error = derive_targets(directory.path(), directory.path(), &out, &known(None)).unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("No exec phase of Calamares has the job `nixos`"),
        "{error}"
    );
    assert!(!out.exists(), "it was written all the same");
}

/// What is derived for systems of which `layouts` have one for disko.
fn with_layouts(version: &str, hosts: &[&str], layouts: serde_json::Value) -> tempfile::TempDir {
    let known = InstalledSystems {
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        layouts: serde_json::from_value(layouts).unwrap(),
        ..known(None)
    };
    derive_all(fixture(version).path(), &known).unwrap()
}

#[test]
fn where_layouts_for_disko_make_the_disk_a_page_asks_for_it_and_no_job_of_calamares_partitions() {
    let layout = |name: &str| json!({ "disks": [{ "name": name, "destroy": true }], "asks": true });
    let both = json!({ "alpha": layout("main"), "beta": layout("system") });
    for version in STRUCTURES {
        for (hosts, layouts) in [
            (&[][..], json!({ "": layout("main") })),
            (&["alpha", "beta"][..], both.clone()),
        ] {
            let directory = with_layouts(version, hosts, layouts.clone());
            let settings = yaml(directory.path(), "settings.conf");
            let pages = words(&settings["sequence"][0]["show"]);
            assert_eq!(
                pages[pages.len() - 2..],
                ["packagechooserq@disk", "summary"],
                "{version}"
            );
            assert!(!pages.contains(&"partition".to_owned()), "{version}");
            let jobs = words(&settings["sequence"][1]["exec"]);
            assert_eq!(jobs, ["nixos@disko", "users", "umount"], "{version}");
            let instances = settings["instances"].as_sequence().unwrap();
            let instance = |id: &str| instances.iter().find(|one| one["id"] == id).unwrap();
            let page = yaml(
                directory.path(),
                &format!("modules/{}", instance("disk")["config"].as_str().unwrap()),
            );
            assert_eq!(
                (&page["qmlSearch"], &page["method"]),
                (&"branding".into(), &"legacy".into())
            );
            let job = yaml(
                directory.path(),
                &format!("modules/{}", instance("disko")["config"].as_str().unwrap()),
            );
            assert_eq!(
                (&job["step"], &instance("disko")["weight"]),
                (&"disko".into(), &88.into())
            );
            let branding = directory.path().join("share/calamares/branding/nixos");
            assert!(branding.join("packagechooserq@disk.qml").exists());
            let script = fs::read_to_string(directory.path().join("targets/NixCfgLayouts.js")).unwrap();
            let json = script
                .strip_prefix("var layouts = ")
                .unwrap()
                .trim_end()
                .strip_suffix(';')
                .unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap(), layouts);
        }
    }
}

#[test]
fn where_only_some_hosts_have_a_layout_the_page_for_the_host_says_how_those_are_installed() {
    let layouts = json!({ "beta": { "disks": [{ "name": "main", "destroy": true }], "asks": false } });
    for version in STRUCTURES {
        let directory = with_layouts(version, &["alpha", "beta"], layouts.clone());
        let settings = yaml(directory.path(), "settings.conf");
        assert!(words(&settings["sequence"][0]["show"]).contains(&"partition".to_owned()));
        assert_eq!(words(&settings["sequence"][1]["exec"])[0], "nixos@check", "{version}");
        let page = yaml(directory.path(), "modules/packagechooser-host.conf");
        let description = |index: usize| page["items"][index]["description"].as_str().unwrap().to_owned();
        assert!(!description(0).contains("disko"), "{version}");
        assert!(
            description(1).contains("sudo nix-cfg-install --host beta --disko wipe"),
            "{version}"
        );
        assert!(!directory.path().join("targets/NixCfgLayouts.js").exists());
    }
}
