//! The file systems of the configuration, and hardware-configuration.nix.

use std::fs;
use std::path::Path;

use super::case::{BIOS_WITH_DISK, Case, add_module, case, edit, module, write};

/// The file systems of a layout in which everything has a name by disko.
const DISKO: &str = r#"{ pkgs, ... }: {
  environment.systemPackages = [ pkgs.htop ];
  fileSystems."/" = { device = "/dev/mapper/crypted"; fsType = "ext4"; };
  fileSystems."/nix" = { device = "/dev/mapper/crypted"; fsType = "ext4"; };
  fileSystems."/boot" = { device = "/dev/disk/by-partlabel/disk-main-ESP"; fsType = "vfat"; };
  boot.initrd.luks.devices.crypted.device = "/dev/disk/by-partlabel/disk-main-luks";
}"#;

/// As [`BIOS_WITH_DISK`], on a machine with a name.
const BIOS_OF_FRAMEWORK: &str = "mount -t tmpfs none /sys/firmware; touch /dev/disk-0; mount -t tmpfs none /sys/class; \
    mkdir -p /sys/class/dmi/id; cd /sys/class/dmi/id; echo Framework > sys_vendor; echo Laptop 13 > product_name; cd /";

/// The channel example with a root of its own instead of a hardware configuration, for a BIOS.
pub fn without_hardware(tree: &Path, root: &str) {
    fs::remove_file(tree.join("hardware-configuration.nix")).unwrap();
    edit(tree, "configuration.nix", "    ./hardware-configuration.nix\n", "");
    edit(
        tree,
        "configuration.nix",
        "  imports = [",
        &format!("  fileSystems.\"/\" = {{ device = \"{root}\"; fsType = \"ext4\"; }};\n  imports = ["),
    );
    edit(
        tree,
        "configuration.nix",
        "boot.loader.systemd-boot.enable = true;",
        "boot.loader.grub.device = \"/dev/disk-0\";",
    );
}

/// File systems that are not those of this machine.
pub fn other_file_systems() -> Vec<Case> {
    vec![
        case(
            "file-system-set-twice",
            "channel",
            |tree| {
                add_module(
                    tree,
                    "{ fileSystems.\"/\" = { device = \"/dev/sda1\"; fsType = \"ext4\"; }; }",
                );
            },
            &["error file-system-other modules/more.nix:1"],
        ),
        // The device comes from the hardware configuration of a machine that has them.
        module(
            "file-system-only-options",
            "{\n  fileSystems.\"/home\".options = [ \"noatime\" ];\n  boot.initrd.luks.devices.cryptroot.keyFile = \"/key\";\n}",
            &["error file-system-absent modules/more.nix", "error encrypted-absent"],
        ),
        // All of disko's, as its module defines them, and something else that is wrong.
        module(
            "disks-of-another-machine",
            DISKO,
            &[
                "error file-system-other modules/more.nix:3",
                "error not-on-medium modules/more.nix:2:39",
            ],
        ),
        module(
            "swap-of-another-machine",
            "{ swapDevices = [ { device = \"/dev/disk/by-label/gone\"; } ]; }",
            &["warning swap-missing"],
        ),
        module(
            "root-forced",
            "{ lib, ... }: { fileSystems.\"/\".device = lib.mkForce \"/dev/disk/by-partlabel/disk-main-root\"; }",
            &["error file-system-other modules/more.nix:1"],
        ),
        case(
            "own-root-and-no-hardware",
            "channel",
            |tree| without_hardware(tree, "LABEL=nixos"),
            &[
                "warning hardware-not-imported",
                "error file-system-other configuration.nix:4",
            ],
        )
        .on(BIOS_WITH_DISK),
        // Nothing is mounted: it may be, as the configuration has it.
        module(
            "own-root-before-partitioning",
            "{ fileSystems.\"/\" = { device = \"/dev/disk/by-label/nixos\"; fsType = \"ext4\"; }; }",
            &["warning file-systems-fixed modules/more.nix:1"],
        )
        .on("umount /mnt"),
    ]
}

/// File systems that two files of the configuration set.
pub fn contradictions() -> Vec<Case> {
    vec![case(
        "file-systems-contradict",
        "channel",
        |tree| {
            let systems = |disk: &str, more: &str| {
                format!(
                    "{{\n  {more}fileSystems.\"/\" = {{ device = \"/dev/disk/by-label/{disk}\"; fsType = \"ext4\"; }};\n  \
                     fileSystems.\"/data\" = {{ device = \"/dev/disk/by-label/{disk}-data\"; fsType = \"ext4\"; }};\n}}"
                )
            };
            write(tree, "modules/other.nix", &systems("b", ""));
            add_module(tree, &systems("a", "imports = [ ./other.nix ];\n  "));
        },
        &["error file-system-contradiction modules/more.nix"],
    )]
}

/// Reports of nixos-facter in the place of a hardware configuration.
pub fn reports() -> Vec<Case> {
    vec![
        case(
            "facter-of-another-machine",
            "channel",
            |tree| {
                without_hardware(tree, "LABEL=nixos");
                let report = r#"{ "version": 1, "smbios": { "system": { "manufacturer": "LENOVO", "product": "21CBCTO1WW" } } }"#;
                write(tree, "facter.json", report);
                add_module(tree, "{ hardware.facter.reportPath = ../facter.json; }");
            },
            &[
                "warning facter-other-machine facter.json",
                "error file-system-other configuration.nix:4",
            ],
        )
        .on(BIOS_OF_FRAMEWORK),
    ]
}

/// Hardware configurations that are not used, stale, or more than generated.
pub fn hardware_files() -> Vec<Case> {
    vec![
        case(
            "hardware-not-imported",
            "channel",
            |tree| edit(tree, "configuration.nix", "./hardware-configuration.nix", ""),
            &["error root-file-system-none"],
        ),
        // With a root of its own it can be installed.
        case(
            "own-root-and-hardware-not-imported",
            "channel",
            |tree| {
                edit(tree, "configuration.nix", "./hardware-configuration.nix", "");
                add_module(
                    tree,
                    "{ fileSystems.\"/\" = { device = \"LABEL=nixos\"; fsType = \"ext4\"; }; }",
                );
            },
            &[
                "warning hardware-not-imported",
                "warning file-systems-fixed modules/more.nix:1",
            ],
        )
        .on("umount /mnt"),
        // nixos-generate-config wrote a name by UUID into the target.
        module(
            "same-root-twice",
            "{ fileSystems.\"/\" = { device = \"tmpfs\"; fsType = \"tmpfs\"; }; }",
            &["error file-system-twice modules/more.nix:1"],
        )
        .on("umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; rm /mnt/etc/nixos/configuration.nix"),
        case(
            "hardware-of-another-disk",
            "channel",
            |_| (),
            &["error file-system-other"],
        )
        .on("umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; rm /mnt/etc/nixos/configuration.nix; sed -i s,none,/dev/disk/by-uuid/of-before,\\;s,tmpfs,ext4, /mnt/etc/nixos/hardware-configuration.nix"),
        case(
            "hardware-with-more",
            "channel",
            |tree| {
                edit(
                    tree,
                    "hardware-configuration.nix",
                    "  fileSystems",
                    "  boot.kernelParams = [ \"quiet\" ];\n  fileSystems.\"/nas\" = {\n    device = \"nas:/x\";\n    fsType = \"nfs\";\n  };\n  fileSystems",
                );
            },
            &["warning hardware-handwritten hardware-configuration.nix:8"],
        ),
    ]
}
