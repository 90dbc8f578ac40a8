//! The configuration.nix of stock NixOS as a person finds it on the installed system. The files are in tests/golden/stock
//! (`rig::golden`).

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use nix_cfg_install::for_tests::open::Open;
use nix_cfg_install::for_tests::{Globals, InstallerFacts, answers, choose, in_place, stock};
use rig::golden;
use serde_json::{Value, json};

const ALL: &str = "timezone=Europe/Berlin locale=de_DE.UTF-8 LC_TIME=de_AT.UTF-8 keymap=de-latin1 layout=de variant=nodeadkeys \
                   hostname=box user=alice fullname=Alice autologin=true unfree=true";

/// What a stock configuration leaves open: all of it.
fn open(more: &Value) -> Open {
    let mut open = json!({"locales": ["C.UTF-8/UTF-8", "en_US.UTF-8/UTF-8"], "networkmanager": true});
    open.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(open).unwrap()
}

fn machine(globals: Value) -> InstallerFacts {
    serde_json::from_value::<Globals>(globals).unwrap().machine()
}

fn encrypted() -> InstallerFacts {
    let part = |device: &str, at: &str, fs: &str, id: &str| {
        json!({"device": device, "mountPoint": at, "fs": fs, "fsName": "luks2", "claimed": true, "uuid": id,
               "luksMapperName": format!("luks-{id}"), "luksUuid": id, "luksPassphrase": "x"})
    };
    machine(json!({
        "firmwareType": "bios",
        "bootLoader": {"installPath": "/dev/sda"},
        "partitions": [part("/dev/sda1", "/", "ext4", "1111-22"), part("/dev/sda2", "", "linuxswap", "3333-44")],
    }))
}

#[test]
fn what_the_installer_completes_is_a_whole_configuration_with_nothing_of_its_own_beside_it() {
    let uefi = InstallerFacts::default;
    let btrfs = InstallerFacts {
        btrfs_root: true,
        latest_kernel: true,
        grub_device: Some("/dev/disk/by-id/ata-X".to_owned()),
        ..uefi()
    };
    let none = InstallerFacts {
        no_boot_loader: true,
        ..uefi()
    };
    let gdm = json!({"display_manager": true, "gdm": true});
    let english =
        "timezone=Etc/UTC locale=en_US.UTF-8 LC_TIME=en_US.UTF-8 keymap=us layout=us variant= hostname=nixos user=bob";
    let decided = json!({"decided": {"timezone": "UTC", "hostname": "x", "unfree": "true"}});
    let mut texts = BTreeMap::new();
    for (name, desktop, release, words, like, machine) in [
        ("gnome", "gnome", "26.11", ALL, gdm, uefi()),
        (
            "plasma6-encrypted",
            "plasma6",
            "26.11",
            ALL,
            json!({"display_manager": true}),
            encrypted(),
        ),
        (
            "xfce-btrfs",
            "xfce",
            "24.05",
            english,
            json!({"display_manager": true}),
            btrfs,
        ),
        ("none-not-answered", "none", "26.11", "", json!({}), uefi()),
        ("none-some-decided", "none", "26.11", "", decided, none),
    ] {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let open = open(&like);
        let (choices, problems) = choose(&answers::parse(&words).0, &open, &["all".to_owned()]);
        assert!(problems.is_empty(), "{name}");
        let text = in_place::with_machine(&stock::configuration(desktop, release), &machine);
        let text = in_place::with_choices(&text, &choices, &open);
        assert!(
            !text.contains("nix-cfg-install") && !text.contains("mkDefault"),
            "{text}"
        );
        texts.insert(format!("{name}.nix"), text);
    }
    // As `init` writes it.
    texts.insert(
        "gnome-on-the-iso.nix".to_owned(),
        stock::configuration("gnome", "26.11"),
    );
    let wrong = golden::differences("stock", &texts);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
