//! What the check finds in configurations that would not install, boot, or let anybody in.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Live, edit, project, tree, write};

/// The channel configuration with `module` in it.
fn channel_with(module: &str) -> tempfile::TempDir {
    let tree = tree("channel");
    write(&tree, "modules/more.nix", module);
    edit(
        &tree,
        "configuration.nix",
        "./modules/greeter.nix",
        "./modules/greeter.nix\n    ./modules/more.nix",
    );
    tree
}

#[test]
fn a_boot_loader_for_the_other_firmware_is_refused() {
    let bios = Live::with_disk("2.26")
        .iso_tree(&project().join("target/rig/trees/channel"))
        .with(&["--firmware", "bios"]);
    bios.install("")
        .fails(3, &["started by a BIOS", "systemd-boot", "boot.loader.grub.device"]);
    assert_eq!(bios.sh("ls -A /mnt").ok().out, "lost+found\n");
}

#[test]
fn an_immutable_configuration_without_a_password_locks_everybody_out() {
    let tree = channel_with(
        "{ lib, ... }: { users.mutableUsers = false; users.users.alice.initialHashedPassword = lib.mkForce \"!\"; }",
    );
    for nix in common::VERSIONS {
        Live::with_disk(nix).iso_tree(tree.path()).install("--dry-run").fails(
            3,
            &["Nobody could log in", "users.mutableUsers = false", "hashedPassword"],
        );
    }
}

#[test]
fn what_is_wrong_with_the_values_is_told_beside_what_nix_refuses() {
    let tree = channel_with(
        "{ lib, pkgs, ... }: { users.mutableUsers = false; users.users.alice.initialHashedPassword = lib.mkForce \"!\"; \
         environment.systemPackages = [ pkgs.unfree-game ]; }",
    );
    Live::with_disk("2.26")
        .iso_tree(tree.path())
        .with(&["--firmware", "bios"])
        .install("--dry-run")
        .fails(
            3,
            &[
                "started by a BIOS",
                "Nobody could log in",
                "unfree-game-1.0 is not free software",
            ],
        );
}
