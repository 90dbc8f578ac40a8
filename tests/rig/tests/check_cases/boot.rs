//! Boot loaders and the EFI system partition.

use super::case::{BIOS, Case, DISK_WITHOUT_ESP, module};

/// It is mounted by now. (No disk of the rig has a partition.)
const DISK_WITH_LATER_ESP: &str = "umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; \
    rm /mnt/etc/nixos/configuration.nix; sed -i \"/fileSystems.*boot/,/};/d\" /mnt/etc/nixos/hardware-configuration.nix; \
    mkdir -p /mnt/boot; mount -t tmpfs ESP /mnt/boot";

/// A BIOS, and a partition for /boot that has one page.
const SMALL_BOOT: &str = "mount -t tmpfs none /sys/firmware; touch /dev/disk-0; umount /mnt; mount -t tmpfs -o mode=755 none /mnt; \
    mkdir /mnt/boot; mount -t tmpfs -o size=4k none /mnt/boot";

/// The target lies on a mapping of dm-crypt, and the keymap here is another.
const ENCRYPTED: &str = "mount -t tmpfs none /etc/default; echo KEYMAP=us > /etc/default/vconsole; \
    touch /etc/vconsole.conf; mount --bind /etc/default/vconsole /etc/vconsole.conf; \
    d=/sys/dev/block/$(stat -c %Hd:%Ld /mnt)/dm; mount -t tmpfs none /sys/dev/block; mkdir -p $d; echo CRYPT-LUKS2-x > $d/uuid";

/// Boot loaders that cannot start this machine.
pub fn boot_loaders() -> Vec<Case> {
    let grub = "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; boot.loader.grub.device = \"/dev/nosuch\"; }";
    vec![
        module("systemd-boot-on-bios", "{ }", &["error boot-needs-uefi"]).on(BIOS),
        module(
            "grub-without-device",
            "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; }",
            &["error grub-device-none"],
        )
        .on(BIOS),
        module("grub-on-absent-disk", grub, &["error grub-device-missing"]).on(BIOS),
        module("bios-grub-on-efi", grub, &["error boot-needs-bios"]),
        module(
            "grub-without-entry",
            "{ lib, ... }: { boot.loader = { systemd-boot.enable = lib.mkForce false; grub = { efiSupport = true; device = \"nodev\"; }; efi.canTouchEfiVariables = lib.mkForce false; }; }",
            &["warning boot-entry-none"],
        ),
        module(
            "no-boot-loader",
            "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; boot.loader.grub.enable = false; }",
            &["error boot-loader-none"],
        ),
        module(
            "two-boot-loaders",
            "{ boot.loader.grub.enable = true; boot.loader.grub.device = \"nodev\"; }",
            &["error assertion"],
        ),
    ]
}

/// EFI system partitions, and what is asked for before the system starts.
pub fn boot_partitions() -> Vec<Case> {
    vec![
        module("esp-not-mounted", "{ }", &["error esp-none"]).on(DISK_WITHOUT_ESP),
        module("esp-mounted-later", "{ }", &["error esp-not-configured"]).on(DISK_WITH_LATER_ESP),
        module(
            "esp-elsewhere",
            "{ boot.loader.efi.efiSysMountPoint = \"/efi\"; }",
            &["error esp-none"],
        ),
        module(
            "boot-partition-too-small",
            "{ lib, ... }: { boot.loader = { systemd-boot.enable = lib.mkForce false; grub.device = \"/dev/disk-0\"; }; }",
            &["error boot-partition-full"],
        )
        .on(SMALL_BOOT),
        module(
            "encrypted-with-another-keymap",
            "{ console.keyMap = \"de\"; }",
            &["warning keymap-differs"],
        )
        .on(ENCRYPTED),
    ]
}
