use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde_json::json;

use super::globals::Globals;
use crate::live::answers::Lists;
use crate::live::installer_facts::{InstallerFacts, Luks};

#[test]
fn what_the_real_jobs_of_calamares_leave_is_understood() {
    let globals: Globals = serde_json::from_str(
        r#"{"firmwareType": "efi", "bootLoader": null, "rootMountPoint": "/tmp/calamares-root-x", "username": "alice",
            "packagechooser_host": "laptop", "keyboardVConsoleKeymap": "de-latin1 ", "localeConf": {"LANG": "de_DE.UTF-8"}, "partitions": [
            {"device": "", "mountPoint": "", "fs": "unknown", "fsName": "unknown", "uuid": "", "claimed": 0},
            {"device": "/dev/sda1", "mountPoint": "/boot", "fs": "fat32", "fsName": "fat32", "uuid": "AB-CD", "claimed": 1},
            {"device": "/dev/sda2", "mountPoint": "/", "fs": "ext4", "fsName": "luks2", "uuid": "u-2", "claimed": true,
             "luksMapperName": "luks-2", "luksUuid": "l-2", "luksPassphrase": "correct horse"},
            {"device": "/dev/sda3", "mountPoint": null, "fs": "linuxswap", "fsName": "luks2", "uuid": "u-3", "claimed": true,
             "luksMapperName": "luks-3", "luksUuid": null, "luksPassphrase": "correct horse"}]}"#,
    )
    .unwrap();
    assert_eq!(globals.target(), Some(Path::new("/tmp/calamares-root-x")));
    let luks = |n: u8, uuid: &str, is_swap| Luks {
        name: format!("luks-{n}"),
        uuid: uuid.to_owned(),
        device: PathBuf::from(format!("/dev/sda{n}")),
        is_swap,
    };
    assert_eq!(
        globals.machine(),
        InstallerFacts {
            grub_device: None,
            no_boot_loader: false,
            btrfs_root: false,
            latest_kernel: false,
            luks: vec![luks(2, "l-2", false), luks(3, "u-3", true)],
            encrypted_boot: false,
            swap: vec!["/dev/mapper/luks-3".into()],
            keymap: Some("de-latin1".to_owned()),
            host: Some("laptop".to_owned()),
            disks: BTreeMap::new(),
            layout_sets_file_systems: false,
            before_partitioning: false,
        }
    );
    let passphrases = globals.passphrases();
    assert_eq!(passphrases[Path::new("/dev/sda2")].expose_secret(), "correct horse");
    assert!(
        !format!("{globals:?}").contains("correct"),
        "a passphrase in a debug text"
    );
}

#[test]
fn the_layout_of_the_keyboard_page_is_a_decision() {
    let layout = |json: &str| {
        serde_json::from_str::<Globals>(json)
            .unwrap()
            .decisions(Path::new("/"))
            .layout
    };
    let chosen = layout(r#"{"keyboardLayout": "de", "keyboardVariant": "neo"}"#).unwrap();
    assert_eq!((chosen.layout.as_str(), chosen.variant.as_str()), ("de", "neo"));
    assert_eq!(layout("{}"), None);
}

#[test]
fn an_empty_global_storage_means_that_nothing_is_known() {
    let globals: Globals = serde_json::from_str("{}").unwrap();
    assert_eq!(globals.target(), None);
    assert_eq!(globals.machine(), InstallerFacts::default());
}

#[test]
fn a_bios_starts_from_the_disk_that_was_chosen_and_a_separate_boot_needs_no_key() {
    let machine = |boot: &str| {
        let json = format!(
            r#"{{"firmwareType": "bios", "bootLoader": {{"installPath": "/dev/sda"}}, "rootMountPoint": "/t", "partitions": [
                {{"device": "/dev/sda2", "mountPoint": "/", "fs": "ext4", "fsName": "luks", "claimed": true,
                  "luksMapperName": "luks-2", "luksUuid": "l-2"}}{boot}]}}"#
        );
        serde_json::from_str::<Globals>(&json).unwrap().machine()
    };
    assert_eq!(machine("").grub_device.as_deref(), Some("/dev/sda"));
    assert!(machine("").encrypted_boot);
    let boot = r#", {"device": "/dev/sda1", "mountPoint": "/boot", "fs": "ext4", "fsName": "ext4", "claimed": true}"#;
    assert!(!machine(boot).encrypted_boot);
}

#[test]
fn a_bios_without_a_boot_disk_gets_no_boot_loader() {
    let machine = |firmware: &str, loader: &str, partitions: &str| {
        let json = format!(r#"{{"firmwareType": "{firmware}", "bootLoader": {loader}, "partitions": [{partitions}]}}"#);
        serde_json::from_str::<Globals>(&json).unwrap().machine()
    };
    let root = r#"{"device": "/dev/sda1", "mountPoint": "/", "fs": "ext4", "fsName": "ext4", "claimed": true}"#;
    assert!(machine("bios", "null", root).no_boot_loader);
    assert!(machine("bios", r#"{"installPath": ""}"#, root).no_boot_loader);
    assert!(!machine("bios", r#"{"installPath": "/dev/sda"}"#, root).no_boot_loader);
    assert!(!machine("efi", "null", root).no_boot_loader);
    // Before the partition job nothing is decided.
    assert!(!machine("bios", "null", "").no_boot_loader);
}

#[test]
fn with_the_page_for_the_disk_nothing_is_partitioned_graphically_and_the_keymap_of_a_passphrase_is_kept() {
    let with = |passphrase: Option<&str>| {
        let page = json!({ "host": "", "disks": {}, "passphrase": passphrase });
        let storage = json!({
            "packagechooser_disk": format!("sda is erased<!--{page}-->"), "keyboardVConsoleKeymap": "de",
        });
        serde_json::from_value::<Globals>(storage).unwrap()
    };
    let lists = Lists::default();
    let (open, encrypted) = (with(None), with(Some("correct horse")));
    assert!(!open.decisions(Path::new("/")).partitions_graphically);
    assert_eq!(open.machine_of_layout(), InstallerFacts::before_partitioning());
    assert_eq!(open.answers(&lists)["keymap"], "de");
    // It is a fact of the machine, not an answer.
    assert_eq!(encrypted.machine_of_layout().keymap.as_deref(), Some("de"));
    assert!(!encrypted.answers(&lists).contains_key("keymap"));
    assert!(
        !format!("{encrypted:?}").contains("correct"),
        "a passphrase in a debug text"
    );
    // Other text there, and none, is no page.
    for other in [
        json!({ "packagechooser_disk": "sda" }),
        json!({ "packagechooser_disk": null }),
        json!({}),
    ] {
        assert!(serde_json::from_value::<Globals>(other).unwrap().disk_page().is_none());
    }
}

#[test]
fn what_was_left_empty_or_not_ticked_on_a_page_is_an_answer() {
    let answers = |storage| {
        let globals = serde_json::from_value::<Globals>(storage).unwrap();
        globals.answers(&Lists::default())
    };
    let shown = answers(json!({ "username": "alice", "fullname": "", "autoLoginUser": null }));
    assert_eq!((shown["fullname"].as_str(), shown["autologin"].as_str()), ("", "false"));
    let ticked = answers(json!({ "username": "alice", "autoLoginUser": "alice" }));
    assert_eq!(ticked["autologin"], "true");
    for (unfree, text) in [(json!(true), "true"), (json!(1), "true"), (json!(false), "false")] {
        assert_eq!(answers(json!({ "nixos_allow_unfree": unfree }))["unfree"], text);
    }
    // Where the page is not shown, the settings are what was answered.
    assert!(answers(json!({ "autoLoginUser": null })).is_empty());
}
