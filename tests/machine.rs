//! machine.nix for every machine that Calamares can leave: UEFI or BIOS, plain or encrypted, with and without swap, with
//! and without a separate /boot. The files are in tests/golden/machine (`rig::golden`); a real NixOS evaluates them in tests/rig.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;

use nix_cfg_install::for_tests::Globals;
use rig::golden;
use serde_json::{Value, json};

const SWAPS: [&str; 3] = ["noswap", "swap", "cryptswap"];

/// One machine: its name and what Calamares' jobs leave in globalStorage.
fn machines() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for firmware in ["efi", "bios"] {
        for root in ["plain", "luks"] {
            for swap in SWAPS {
                for boot in ["noboot", "boot"] {
                    all.push((
                        format!("{firmware}-{root}-{swap}-{boot}"),
                        machine(firmware, root, swap, boot),
                    ));
                }
            }
        }
    }
    for (firmware, root) in [("efi", "btrfs"), ("bios", "btrfs"), ("bios", "none"), ("efi", "latest")] {
        let name = format!("{firmware}-{root}-noswap-noboot");
        all.push((name, machine(firmware, root, "noswap", "noboot")));
    }
    all
}

fn machine(firmware: &str, root: &str, swap: &str, boot: &str) -> Value {
    let uuid = |n: u8| format!("{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000");
    let partition = |n: u8, at: &str, fs: &str, encrypted: bool| {
        let mut entry = json!({
            "device": format!("/dev/sda{n}"), "mountPoint": at, "fs": fs, "uuid": uuid(n), "claimed": true,
            "fsName": if encrypted { "luks2" } else { fs },
        });
        if encrypted {
            entry["luksMapperName"] = json!(format!("luks-{}", uuid(n)));
            entry["luksUuid"] = json!(uuid(n));
            entry["luksPassphrase"] = json!("correct horse");
        }
        entry
    };
    let mut partitions = vec![
        json!({"device": "", "mountPoint": "", "fs": "unknown", "fsName": "unknown", "uuid": "", "claimed": false}),
    ];
    if firmware == "efi" {
        let at = if boot == "boot" { "/boot/efi" } else { "/boot" };
        partitions.push(partition(1, at, "fat32", false));
    }
    if boot == "boot" {
        partitions.push(partition(2, "/boot", "ext4", false));
    }
    let fs = if root == "btrfs" { "btrfs" } else { "ext4" };
    partitions.push(partition(3, "/", fs, root == "luks"));
    if swap != "noswap" {
        partitions.push(partition(4, "", "linuxswap", swap == "cryptswap"));
    }
    json!({
        "firmwareType": firmware,
        "bootLoader": if firmware == "bios" && root != "none" { json!({"installPath": "/dev/sda"}) } else { Value::Null },
        "keyboardVConsoleKeymap": "de-latin1",
        "rootMountPoint": "/tmp/calamares-root-x",
        "partitions": partitions,
    })
}

#[test]
fn every_machine_gets_what_it_needs_and_no_more() {
    let mut texts = BTreeMap::new();
    for (name, storage) in machines() {
        let globals: Globals = serde_json::from_value(storage).unwrap();
        let directory = rig::scratch();
        let kernel = directory.path().join("nixos-generate-config.conf");
        if name.contains("latest") {
            fs::write(&kernel, "[Defaults]\nKernel=latest\n").unwrap();
        }
        if let Some(text) = globals.machine().with_kernel_of(&kernel).nix() {
            texts.insert(format!("{name}.nix"), text);
        }
    }
    let wrong = golden::differences("machine", &texts);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
