//! A real NixOS evaluates the machine.nix of every machine that Calamares can leave (tests/golden/machine).

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use rig::real::{self, Tree, on_each_tree};
use rig::{Live, golden};
use serde_json::{Value, json};

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
    real::run(file!(), vec![on_each_tree(a_real_nixos_takes_every_machine)])
}
