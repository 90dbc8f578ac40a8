//! Whether GRUB can read the file system that /boot is on, asked of real GRUBs about file systems of the real mkfs.xfs. Debian
//! 13 has GRUB 2.12 and xfsprogs 6.13; sid has GRUB 2.14 and an xfsprogs after 6.18, which enables what 2.12 cannot read.

use rig::{Live, Outcome, attach, detach, temporary};
use tempfile::TempDir;

/// The Nix of the live system with that Debian's programs.
const DEBIAN_13: &str = "2.26";
const SID: &str = "2.34";

const GRUB_2_12: &str = "error: GRUB 2.12 cannot read the file system that /boot is on: /dev/loop";

/// An image in a directory of its own, made by the mkfs.xfs of that Debian.
fn xfs(debian: &str, options: &str) -> TempDir {
    let directory = temporary();
    let maker = Live::bare(debian);
    let said = maker.sh(&format!(
        "mkfs.xfs -V >&2; truncate -s 400M /xfs.img && mkfs.xfs -q {options} /xfs.img && od -An -tx1 -j 216 -N 4 /xfs.img"
    ));
    // The superblock's incompatible features: 0x40 is `exchange`, 0x80 is `parent` (Linux, fs/xfs/libxfs/xfs_format.h).
    let new = said.ok().out.trim().ends_with("eb");
    assert_eq!(new, debian == SID && options.is_empty(), "another default of mkfs.xfs");
    let image = maker.state.path().join("live/upper/xfs.img");
    std::fs::rename(image, directory.path().join("xfs.img")).unwrap();
    directory
}

/// Runs `command` where the image is mounted at /mnt, on a BIOS; `$root` is its device.
fn installed_to(debian: &str, image: &TempDir, loader: &str, between: &str, command: &str) -> Outcome {
    let tree = rig::tree("channel");
    let systemd_boot = "boot.loader.systemd-boot.enable = true;";
    rig::edit(&tree, "configuration.nix", systemd_boot, loader);
    let firmware = if loader == systemd_boot { "efi" } else { "bios" };
    let bind = format!("{}:/image", image.path().display());
    let live = Live::new(debian)
        .with(&["--firmware", firmware, "--bind", &bind])
        .tmp_tree(tree.path());
    live.sh(&format!(
        "cp --sparse=always /image/xfs.img /root.img; {}
         mkdir -p /mnt && mount $root /mnt || exit 90
         ln -sf $root /dev/sda
         {between}
         {command}; code=$?
         echo left:[$(ls -A /mnt)] >&2
         {}
         exit $code",
        attach("/root.img", "root"),
        detach("root")
    ))
}

const GRUB: &str = "boot.loader.grub.device = \"/dev/sda\";";
const CHECK: &str = "nix-cfg-install --progress plain --check";

#[test]
fn an_xfs_that_this_grub_cannot_read_is_refused_before_anything_is_written() {
    let new = xfs(SID, "");
    let said = installed_to(DEBIAN_13, &new, GRUB, "", "nix-cfg-install --progress plain");
    let said = said.fails(
        3,
        &[
            GRUB_2_12,
            "(xfs)",
            "from 2.14 on",
            "mkfs.xfs -i exchange=0 -n parent=0",
            "ext4",
        ],
    );
    assert!(said.err.contains("left:[]"), "something was written: {}", said.err);
    assert!(!said.err.contains("Placing"), "{}", said.err);
}

#[test]
fn what_the_refusal_advises_is_taken_and_so_is_what_works_by_itself() {
    let new = xfs(SID, "");
    let old = xfs(DEBIAN_13, "");
    let plain = xfs(SID, "-i exchange=0 -n parent=0");
    // The same file system, and a GRUB that reads it.
    installed_to(SID, &new, GRUB, "", CHECK).ok();
    // The first advice; it is installed.
    installed_to(DEBIAN_13, &plain, GRUB, "", "nix-cfg-install --progress plain").ok();
    installed_to(DEBIAN_13, &old, GRUB, "", CHECK).ok();
    // The second: /boot by itself.
    let boot = format!(
        "truncate -s 32M /boot.img && mkfs.ext4 -q /boot.img; {} mkdir /mnt/boot && mount $boot /mnt/boot || exit 91",
        attach("/boot.img", "boot")
    );
    let command = format!("{CHECK}; checked=$?; {} ( exit $checked )", detach("boot"));
    installed_to(DEBIAN_13, &new, GRUB, &boot, &command).ok();
    // systemd-boot reads the EFI system partition alone.
    installed_to(DEBIAN_13, &new, "boot.loader.systemd-boot.enable = true;", "", CHECK).ok();
}
