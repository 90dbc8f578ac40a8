//! A layout for disko is made before the installation, by the script of the configuration itself. The module is one of ours, in the
//! shape of disko's: the miniature nixpkgs cannot evaluate the real one, which `tests/rig/tests/disko_module.rs` does.

use std::fs;

use rig::iso::{Emitted, OVERRIDE, boot, build, builder};
use rig::{Live, attach, detach, edit, project, tree, write};
use tempfile::TempDir;

/// The channel example, with a layout for disko of `content` on the disk `main`.
fn with_layout(content: &str) -> TempDir {
    let tree = tree("channel");
    let module = fs::read_to_string(project().join("tests/rig/tests/layouts/disko_in_miniature.nix")).unwrap();
    write(&tree, "disko.nix", &module);
    let layout = format!(
        r#"{{
  imports = [ ./disko.nix ];
  disko.devices.disk.main = {{ device = "/dev/disk/by-id/not-here"; content = {content}; }};
  disko.devices.disk.more = {{
    device = "/dev/more";
    content = {{ type = "filesystem"; name = "data"; mountpoint = "/data"; }};
  }};
}}"#
    );
    write(&tree, "disk.nix", &layout);
    edit(&tree, "configuration.nix", "imports = [", "imports = [ ./disk.nix");
    edit(
        &tree,
        "configuration.nix",
        "boot.loader.systemd-boot.enable",
        "boot.loader.grub.enable",
    );
    tree
}

const PLAIN: &str = r#"{ type = "filesystem"; name = "root"; mountpoint = "/"; }"#;
const ENCRYPTED: &str = r#"{
  type = "luks"; name = "root"; mountpoint = "/"; askPassword = true; passwordFile = null; keyFile = null; additionalKeyFiles = [ ];
}"#;

#[test]
fn the_iso_has_what_the_scripts_need_for_another_disk() {
    let tree = with_layout(PLAIN);
    let hardware = "{ modulesPath, ... }: { imports = [ (modulesPath + \"/profiles/qemu-guest.nix\") ]; nixpkgs.hostPlatform = \"x86_64-linux\"; }";
    write(&tree, "hardware-configuration.nix", hardware);
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);
    let live = boot("2.26", &image).with(&["--firmware", "bios"]);
    let said = with_disk(
        &live,
        &format!("umount /mnt && {INSTALL} --yes && cat /mnt/etc/nixos/machine.nix"),
    )
    .ok();
    assert!(said.out.contains("disko.devices.disk.main.device"), "{}", said.out);
}

/// A machine with a BIOS: the kernel of this one may know no FAT, which an EFI system partition is.
fn bios(tree: &TempDir) -> Live {
    Live::new("2.26").iso_tree(tree.path()).with(&["--firmware", "bios"])
}

/// Runs `script` where /dev/chosen and /dev/more are empty disks, and gives them back.
fn with_disk(live: &Live, script: &str) -> rig::Outcome {
    let attach = attach("/disk.img", "chosen") + &attach("/more.img", "more");
    let detach = detach("chosen") + &detach("more");
    live.sh(&format!(
        "truncate -s 600M /disk.img
         truncate -s 64M /more.img
         {attach}
         ( set -e
         {script} ); code=$?
         umount -R /mnt 2> /dev/null
         {detach}
         exit $code"
    ))
}

const INSTALL: &str = "nix-cfg-install --progress plain --disko wipe --disk main=/dev/chosen";

#[test]
fn the_layout_is_made_after_the_check_and_the_system_is_installed_on_it() {
    let tree = with_layout(PLAIN);
    let live = bios(&tree);
    let said = with_disk(
        &live,
        &format!(
            "mkfs.ext4 -q -L old $chosen
             {INSTALL} --check
             blkid -o value -s LABEL $chosen
             findmnt /mnt || echo not mounted
             {INSTALL} --yes
             findmnt -no LABEL,SOURCE /mnt
             cat /mnt/etc/nixos/machine.nix
             grep -c fileSystems /mnt/etc/nixos/hardware-configuration.nix || true
             cat /mnt/$(readlink /mnt/nix/var/nix/profiles/system-1-link)/etc/fstab
             {INSTALL} --yes
             umount -R /mnt
             nix-cfg-install --progress plain --disko mount --disk main=/dev/chosen"
        ),
    )
    .ok();
    assert!(said.out.starts_with("old\nnot mounted\n"), "{}", said.out);
    for text in [
        "\nroot ",
        "disko.devices.disk.main.device = lib.mkForce \"/dev/",
        "\n0\n",
        "/dev/disk/by-label/root / ext4",
    ] {
        assert!(said.out.contains(text), "{text}\n{}", said.out);
    }
    for text in [
        "To be erased: /dev/",
        "Partitioning the disk",
        "Continuing the installation that was begun on this disk.",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}

#[test]
fn what_keeps_the_layout_from_being_made_is_reported_at_once_and_nothing_is_erased() {
    let tree = with_layout(ENCRYPTED);
    let live = bios(&tree);
    let said = with_disk(
        &live,
        "mkfs.ext4 -q -L old $chosen
         mkdir -p /elsewhere && mount $chosen /elsewhere
         mount -t tmpfs none /mnt
         fails() { code=0; \"$@\" || code=$?; echo \"code $code\"; }
         fails nix-cfg-install --progress plain --disko wipe --yes --disk main=$chosen --disk other=/dev/null
         fails nix-cfg-install --progress plain --disko wipe --yes
         umount /mnt /elsewhere
         fails nix-cfg-install --progress plain --disko wipe --disk main=$chosen < /dev/null
         fails nix-cfg-install --progress plain --disk main=$chosen
         fails nix-cfg-install --progress plain --disko wipe --disk main --disk =/dev/sda
         blkid -o value -s LABEL $chosen",
    )
    .ok();
    assert_eq!(
        said.out, "code 3\ncode 3\ncode 3\ncode 2\ncode 3\nold\n",
        "{}",
        said.err
    );
    for text in [
        "The layout for disko has no disk `other`",
        " is in use",
        "/elsewhere",
        "Something is mounted at /mnt already",
        "This machine has no disk /dev/disk/by-id/not-here",
        "Nobody confirmed that these disks are to be erased",
        "Nobody can be asked for the passphrase of the encrypted volumes: root",
        "`--disk main` has no name or no device",
        "`--disk =/dev/sda` has no name or no device",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}

#[test]
fn the_passphrase_reaches_the_script_and_no_log() {
    let tree = with_layout(ENCRYPTED);
    let live = bios(&tree);
    let said = with_disk(
        &live,
        &format!(
            "echo 'correct horse' > /secret
             {INSTALL} --yes --passphrase-file /secret -vv
             cat /passphrases
             ! grep -r 'correct horse' /mnt/etc /mnt/var /var/log"
        ),
    )
    .ok();
    assert!(said.out.contains("correct horse\n"), "{}", said.out);
    assert!(!said.err.contains("correct horse"), "{}", said.err);
}

#[test]
fn a_layout_that_sets_no_file_systems_leaves_them_to_the_hardware_configuration() {
    let tree = with_layout(PLAIN);
    edit(&tree, "disk.nix", "imports", "disko.enableConfig = false; imports");
    let live = bios(&tree);
    let said = with_disk(
        &live,
        &format!("{INSTALL} --yes\ngrep -A2 'fileSystems.\"/\"' /mnt/etc/nixos/hardware-configuration.nix"),
    )
    .ok();
    assert!(said.out.contains("/dev/disk/by-uuid/"), "{}", said.out);
}

#[test]
fn a_layout_without_the_partition_of_the_boot_loader_is_refused() {
    let tree = with_layout(PLAIN);
    edit(
        &tree,
        "configuration.nix",
        "boot.loader.grub.enable",
        "boot.loader.systemd-boot.enable",
    );
    let live = Live::new("2.26").iso_tree(tree.path());
    let said = with_disk(
        &live,
        &format!("{INSTALL} --yes || echo code $?; blkid $chosen || echo empty"),
    )
    .ok();
    assert_eq!(said.out, "code 3\nempty\n");
    let text = "error: The layout for disko has no EFI system partition at /boot";
    assert!(said.err.contains(text), "{}", said.err);
}

#[test]
fn a_configuration_without_a_layout_is_told_so() {
    let live = Live::new("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.install("--check --disko wipe")
        .fails(3, &["The configuration has no layout for disko"]);
}
