//! machine.nix for every machine that Calamares can leave: UEFI or BIOS, plain or encrypted, with and without swap, with
//! and without a separate /boot. The files are in tests/golden/machine (`rig::golden`).

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use nix_cfg_install::calamares::globals::Globals;
use rig::real::{self, Tree, on_each_tree, plain};
use rig::{Live, golden};
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

fn every_machine_gets_what_it_needs_and_no_more() {
    let mut texts = BTreeMap::new();
    for (name, storage) in machines() {
        let globals: Globals = serde_json::from_value(storage).unwrap();
        let directory = rig::temporary();
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

/// What the values of a real NixOS are with each of the files, over a configuration that names another disk.
const EVALUATE: &str = r#"
let
  machine = name: module:
    let
      efi = builtins.match "efi-.*" name != null;
      luks = builtins.match ".*-luks-.*" name != null;
      os = import /nixpkgs/nixos {
        configuration = { lib, ... }: {
          imports = [ module ];
          boot.loader.systemd-boot.enable = efi;
          boot.loader.grub = lib.mkIf (!efi) { device = "/dev/vdz"; };
          # As nixos-generate-config writes it.
          boot.initrd.luks.devices = lib.mkIf luks {
            "luks-33333333-0000-4000-8000-000000000000".device = "/dev/disk/by-uuid/33333333-0000-4000-8000-000000000000";
          };
          fileSystems."/" = { device = "/dev/disk/by-uuid/x"; fsType = "ext4"; };
          system.stateVersion = "24.05";
          nixpkgs.hostPlatform = "x86_64-linux";
        };
      };
      c = os.config;
    in {
      grub = if c.boot.loader.grub.enable then c.boot.loader.grub.devices else [ ];
      cryptodisk = c.boot.loader.grub.enable && c.boot.loader.grub.enableCryptodisk;
      modules = c.boot.loader.grub.extraGrubInstallArgs;
      luks = builtins.mapAttrs (name: device: [ device.device (toString device.keyFile) ]) c.boot.initrd.luks.devices;
      secrets = builtins.mapAttrs (name: toString) c.boot.initrd.secrets;
      keymap = c.console.keyMap;
      identifier = if c.boot.loader.grub.enable then c.boot.loader.grub.fsIdentifier else "";
      latest = c.boot.kernelPackages.kernel.version == os.pkgs.linuxPackages_latest.kernel.version;
      failed = map (a: a.message) (builtins.filter (a: !a.assertion) c.assertions);
    };
  files = builtins.readDir /golden;
in
builtins.mapAttrs (file: _: machine file (/golden + "/${file}")) files
"#;

fn a_real_nixos_takes_every_machine(tree: &Tree) {
    let live = Live::new("2.26").with(&[
        "--bind",
        &format!("{}:/nixpkgs", tree.path),
        "--bind",
        &format!("{}:/golden", golden::directory("machine").display()),
    ]);
    let said = live
        .sh(&format!(
            "nix-instantiate --eval --strict --json -E '{}'",
            EVALUATE.replace('\'', r"'\''")
        ))
        .ok();
    let told: BTreeMap<String, Value> = serde_json::from_str(&said.out).unwrap();
    assert_eq!(told.len(), fs::read_dir(golden::directory("machine")).unwrap().count());
    let [root, swap] = [3, 4].map(|n| format!("{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000"));
    for (file, value) in told {
        let [firmware, crypt, swapped, boot] = file.trim_end_matches(".nix").split('-').collect::<Vec<_>>()[..] else {
            panic!("{file}")
        };
        let (bios, encrypted) = (firmware == "bios", crypt == "luks");
        let key = bios && encrypted && boot == "noboot";
        let volume = |uuid: &str| json!([format!("/dev/disk/by-uuid/{uuid}"), if key { "/luks.key" } else { "" }]);
        let mut volumes = serde_json::Map::new();
        if encrypted {
            volumes.insert(format!("luks-{root}"), volume(&root));
        }
        if swapped == "cryptswap" {
            volumes.insert(format!("luks-{swap}"), volume(&swap));
        }
        let expected = json!({
            "grub": if bios && crypt != "none" { json!(["/dev/sda"]) } else { json!([]) },
            "identifier": match (firmware, crypt) {
                ("efi", _) | (_, "none") => "",
                (_, "btrfs") => "provided",
                _ => "uuid",
            },
            "latest": crypt == "latest",
            "cryptodisk": key,
            "modules": if key { json!(["--modules=gcry_sha512"]) } else { json!([]) },
            "luks": volumes,
            "secrets": if key { json!({"/luks.key": "/etc/secrets/initrd/luks.key"}) } else { json!({}) },
            "keymap": if volumes_are_asked_for(crypt, swapped) { "de-latin1" } else { "us" },
            "failed": [],
        });
        assert_eq!(value, expected, "{file}");
    }
}

fn volumes_are_asked_for(crypt: &str, swap: &str) -> bool {
    crypt == "luks" || swap == "cryptswap"
}

fn main() -> ExitCode {
    real::run(
        file!(),
        vec![
            plain(every_machine_gets_what_it_needs_and_no_more),
            on_each_tree(a_real_nixos_takes_every_machine),
        ],
    )
}
