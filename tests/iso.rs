//! The generator: what it emits is evaluated by real Nix.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Live, at_hand, shipped, temporary, write};
use tempfile::TempDir;

/// Runs `nix-cfg-iso init` for `tree`, and gives the folder that it wrote.
fn init(tree: &Path, args: &[&str]) -> (TempDir, PathBuf) {
    let folder = temporary();
    let dir = folder.path().join("iso");
    let output = Command::new(shipped("nix-cfg-iso"))
        .arg("init")
        .arg(&dir)
        .arg("--config")
        .arg(tree)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (folder, dir)
}

/// A live system with an empty store and the emitted folder at /work.
fn evaluator(nix: &str, dir: &Path) -> Live {
    Live::new(nix).with(&["--empty-store", "--bind", &format!("{}:/work", dir.display())])
}

#[test]
fn a_channel_configuration_becomes_the_calamares_iso_of_a_real_nixpkgs_in_pure_evaluation() {
    let Some(nixpkgs) = at_hand("NIXPKGS", "evaluating an ISO of a real nixpkgs") else {
        return;
    };
    let tree = temporary();
    write(
        &tree,
        "configuration.nix",
        r#"{ pkgs, ... }:
{
  imports = [ ./hardware-configuration.nix ];
  boot.loader.systemd-boot.enable = true;
  networking.hostName = "server";
  environment.systemPackages = [ pkgs.htop ];
  system.stateVersion = "24.05";
}
"#,
    );
    write(
        &tree,
        "hardware-configuration.nix",
        r#"{
  fileSystems."/" = { device = "/dev/disk/by-uuid/00000000-0000-0000-0000-000000000000"; fsType = "ext4"; };
  nixpkgs.hostPlatform = "x86_64-linux";
}
"#,
    );
    let (_folder, dir) = init(tree.path(), &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let live = evaluator("2.26", &dir).with(&["--bind", &format!("{nixpkgs}:/nixpkgs")]);
    let said = live
        .sh(
            "nix eval --raw --extra-experimental-features 'nix-command flakes' --option fsync-metadata false path:/work#iso.drvPath \
             --no-write-lock-file --override-input nixpkgs path:/nixpkgs",
        )
        .ok();
    assert!(said.out.ends_with("-x86_64-linux.iso.drv"), "{}", said.out);
}
