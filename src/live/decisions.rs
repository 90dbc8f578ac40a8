//! What was decided outside the configuration, by a person in the graphical installer or by the machine itself. The check
//! compares it with what the configuration says.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::block_devices::{is_encrypted, of_mount};
use super::{disks, mounts};

/// How the machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Firmware {
    /// UEFI.
    #[default]
    #[serde(rename = "uefi")]
    Efi,
    /// BIOS, or UEFI in its compatibility mode.
    #[serde(rename = "bios")]
    Bios,
}

impl Firmware {
    /// How the live system at `live` was started.
    #[must_use]
    pub fn of(live: &Path) -> Self {
        if live.join("sys/firmware/efi").exists() {
            Self::Efi
        } else {
            Self::Bios
        }
    }
}

/// A keyboard layout as X names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    pub layout: String,
    /// May be empty.
    pub variant: String,
}

/// The decisions. `None` and `false`: not known, or nobody decided.
#[allow(clippy::struct_excessive_bools)] // Each is decided on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// How this machine was started, and so how it will start the new system.
    pub firmware: Firmware,
    /// The login name that was typed.
    pub login: Option<String>,
    /// Whether a password for it was typed, to be set when the system is installed.
    pub password_typed: bool,
    /// Whether the root file system is encrypted.
    pub root_encrypted: bool,
    /// The console keymap with which passphrases are typed here.
    pub keymap: Option<String>,
    /// The keyboard layout that was chosen in the graphical installer.
    pub layout: Option<Layout>,
    /// The size of the largest disk of this machine, in bytes; the one that the live system came from does not count.
    pub largest_disk: Option<u64>,
    /// The disk that a BIOS starts from.
    pub boot_disk: Option<PathBuf>,
    /// Whether it was decided to install no boot loader.
    pub no_boot_loader: bool,
    /// Whether the disk is partitioned by the graphical installer, and not by a person as the configuration wants it.
    pub partitions_graphically: bool,
}

impl Decisions {
    /// What the live system itself says, for a person at a shell who mounted the target at `target`.
    #[must_use]
    pub fn of_machine(target: &Path) -> Self {
        let live = Path::new("/");
        let mount = mounts::at(target);
        let devices = mount.map(|mount| of_mount(&live.join("sys"), &mount));
        Self::read(live, &devices.unwrap_or_default())
    }

    /// As [`Decisions::of_machine`], with the live system's `/sys` and `/etc` below `live`, and a root file system on the block devices
    /// `root`.
    fn read(live: &Path, root: &[String]) -> Self {
        let sys = live.join("sys");
        let console = fs::read_to_string(live.join("etc/vconsole.conf")).unwrap_or_default();
        let keymap = console.lines().find_map(|line| line.strip_prefix("KEYMAP="));
        Self {
            firmware: Firmware::of(live),
            root_encrypted: root.iter().any(|device| is_encrypted(&sys, device)),
            keymap: keymap.map(|keymap| keymap.trim_matches('"').to_owned()),
            largest_disk: disks::disks(live).iter().filter_map(|disk| disks::size(disk)).max(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_its_firmware_its_keymap_and_whether_the_root_is_encrypted() {
        let live = tempfile::tempdir().unwrap();
        let root = ["253:1".to_owned()];
        let write = |name: &str, text: &str| {
            let path = live.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(
            Decisions::read(live.path(), &root),
            Decisions {
                firmware: Firmware::Bios,
                ..Decisions::default()
            }
        );
        write("sys/firmware/efi/fw_platform_size", "64");
        write("etc/vconsole.conf", "FONT=x\nKEYMAP=\"de-latin1\"\n");
        // A logical volume on an encrypted partition.
        write("sys/dev/block/253:1/dm/uuid", "LVM-abc\n");
        write("sys/dev/block/253:1/slaves/dm-0/dev", "253:0\n");
        write("sys/dev/block/253:0/dm/uuid", "CRYPT-LUKS2-abc\n");
        write("sys/dev/block/253:0/slaves/sda1/dev", "8:1\n");
        let read = Decisions::read(live.path(), &root);
        assert_eq!((read.firmware, read.root_encrypted), (Firmware::Efi, true));
        assert_eq!(read.keymap.as_deref(), Some("de-latin1"));
    }
}
