//! Configurations with a layout for disko, and disks for it.

use std::fs;

use tempfile::TempDir;

use crate::{Live, Outcome, attach, detach, edit, project, tree, write};

/// The channel example, with a layout for disko of `content` on the disk `main`.
pub fn with_layout(content: &str) -> TempDir {
    let tree = tree("channel");
    put_layout(&tree, "", "configuration.nix", content);
    tree
}

/// The same for the configuration `file` in `directory` (`""`, `a/`) of a tree.
pub fn put_layout(tree: &TempDir, directory: &str, file: &str, content: &str) {
    let at = |name: &str| format!("{directory}{name}");
    let module = fs::read_to_string(project().join("tests/rig/tests/layouts/disko_in_miniature.nix")).unwrap();
    write(tree, &at("disko.nix"), &module);
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
    write(tree, &at("disk.nix"), &layout);
    edit(tree, &at(file), "imports = [", "imports = [ ./disk.nix");
    edit(
        tree,
        &at(file),
        "boot.loader.systemd-boot.enable",
        "boot.loader.grub.enable",
    );
}

pub const PLAIN: &str = r#"{ type = "filesystem"; name = "root"; mountpoint = "/"; }"#;
pub const ENCRYPTED: &str = r#"{
  type = "luks"; name = "root"; mountpoint = "/"; askPassword = true; settings = { }; passwordFile = null; keyFile = null;
  additionalKeyFiles = [ ];
}"#;

/// A machine with a BIOS: the kernel of this one may know no FAT, which an EFI system partition is.
pub fn bios(tree: &TempDir) -> Live {
    Live::new("2.26").iso_tree(tree.path()).with(&["--firmware", "bios"])
}

/// Runs `script` where /dev/chosen and /dev/more are empty disks and /dev/other has a file system that somebody needs, and gives them
/// back.
pub fn with_disk(live: &Live, script: &str) -> Outcome {
    let attach = attach("/disk.img", "chosen") + &attach("/more.img", "more") + &attach("/other.img", "other");
    let detach = detach("chosen") + &detach("more") + &detach("other");
    live.sh(&format!(
        "truncate -s 600M /disk.img
         truncate -s 64M /more.img /other.img
         mkfs.ext4 -q -L precious /other.img
         {attach}
         ( set -e
         {script} ); code=$?
         umount -R /mnt 2> /dev/null
         {detach}
         exit $code"
    ))
}

pub const INSTALL: &str = "nix-cfg-install --progress plain --disko wipe --disk main=/dev/chosen";
