//! What was decided outside the configuration, by a person in the graphical installer or by the machine itself. The check
//! compares it with what the configuration says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};
use serde::{Deserialize, Serialize};

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
        Self::read(Path::new("/"), target)
    }

    /// As [`Decisions::of_machine`], with the live system's `/sys` and `/etc` below `live`.
    pub fn read(live: &Path, target: &Path) -> Self {
        let firmware = if live.join("sys/firmware/efi").exists() {
            Firmware::Efi
        } else {
            Firmware::Bios
        };
        let block = fs::metadata(target).ok().map(|meta| {
            let (major, minor) = (major(meta.dev()), minor(meta.dev()));
            live.join(format!("sys/dev/block/{major}:{minor}"))
        });
        let console = fs::read_to_string(live.join("etc/vconsole.conf")).unwrap_or_default();
        let keymap = console.lines().find_map(|line| line.strip_prefix("KEYMAP="));
        Self {
            firmware,
            root_encrypted: block.is_some_and(|block| is_encrypted(&block)),
            keymap: keymap.map(|keymap| keymap.trim_matches('"').to_owned()),
            largest_disk: disks(live).iter().filter_map(|disk| size(disk)).max(),
            ..Self::default()
        }
    }
}

/// Whether the block device (a directory of sysfs), or one below it, is a mapping of dm-crypt.
fn is_encrypted(block: &Path) -> bool {
    let uuid = fs::read_to_string(block.join("dm/uuid")).unwrap_or_default();
    let mut below = fs::read_dir(block.join("slaves")).into_iter().flatten().flatten();
    uuid.starts_with("CRYPT-") || below.any(|slave| is_encrypted(&slave.path()))
}

/// The disk (`/dev/sda`) that the block device `device`, a partition or what lies on some, is on, by the directory `class` of sysfs;
/// `None` if it is on several.
pub fn only_disk(class: &Path, device: &Path) -> Option<String> {
    let device = fs::canonicalize(device).ok()?;
    let mut disks = BTreeSet::new();
    collect_disks(&class.join(device.file_name()?), &mut disks);
    let only = (disks.len() == 1).then(|| disks.pop_first()).flatten()?;
    Some(format!("/dev/{only}"))
}

fn collect_disks(block: &Path, disks: &mut BTreeSet<String>) {
    let Ok(block) = fs::canonicalize(block) else { return };
    let below: Vec<PathBuf> = fs::read_dir(block.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|slave| slave.path())
        .collect();
    for slave in &below {
        collect_disks(slave, disks);
    }
    let is_partition = block.join("partition").exists();
    let disk = if is_partition {
        block.parent()
    } else {
        Some(block.as_path())
    };
    let name = disk.and_then(Path::file_name).and_then(|name| name.to_str());
    disks.extend(name.filter(|_| below.is_empty()).map(str::to_owned));
}

/// The directories in sysfs of the disks that the live system at `live` sees and could write to, without its own medium. A loop,
/// a mapping, memory have no device.
pub fn disks(live: &Path) -> Vec<PathBuf> {
    let mut disks = writable(live);
    disks.retain(|disk| disk.join("device").exists());
    disks
}

/// As [`disks`], of all that is no partition. A CD-ROM is named `sr`.
pub fn writable(live: &Path) -> Vec<PathBuf> {
    let device = |path: &Path| fs::canonicalize(path).ok();
    let medium = fs::metadata(live.join("iso")).ok().and_then(|meta| {
        let (major, minor) = (major(meta.dev()), minor(meta.dev()));
        device(&live.join(format!("sys/dev/block/{major}:{minor}")))
    });
    let disks = fs::read_dir(live.join("sys/block")).into_iter().flatten().flatten();
    let is_candidate = |disk: &PathBuf| {
        let is_medium = device(disk).is_some_and(|disk| medium.as_ref().is_some_and(|medium| medium.starts_with(disk)));
        let is_cd = disk
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"sr"));
        !is_cd && !is_medium && number(&disk.join("ro")) == Some(0)
    };
    disks.map(|entry| entry.path()).filter(is_candidate).collect()
}

/// The size in bytes of the block device whose directory in sysfs this is.
pub fn size(device: &Path) -> Option<u64> {
    // Linux counts in 512 bytes, whatever the disk does.
    Some(number(&device.join("size"))? * 512)
}

/// The number that is all there is in `file`.
pub fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_its_firmware_its_keymap_and_whether_the_root_is_encrypted() {
        let live = tempfile::tempdir().unwrap();
        let target = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = live.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(
            Decisions::read(live.path(), target.path()),
            Decisions {
                firmware: Firmware::Bios,
                ..Decisions::default()
            }
        );
        write("sys/firmware/efi/fw_platform_size", "64");
        write("etc/vconsole.conf", "FONT=x\nKEYMAP=\"de-latin1\"\n");
        // A logical volume on an encrypted partition.
        let dev = fs::metadata(target.path()).unwrap().dev();
        let block = format!("sys/dev/block/{}:{}", major(dev), minor(dev));
        write(&format!("{block}/dm/uuid"), "LVM-abc\n");
        write(&format!("{block}/slaves/dm-0/dm/uuid"), "CRYPT-LUKS2-abc\n");
        let read = Decisions::read(live.path(), target.path());
        assert_eq!((read.firmware, read.root_encrypted), (Firmware::Efi, true));
        assert_eq!(read.keymap.as_deref(), Some("de-latin1"));
    }

    #[test]
    fn the_disk_below_a_mapping_is_known_unless_there_are_several() {
        let sys = tempfile::tempdir().unwrap();
        let path = |name: &str| sys.path().join(name);
        let class = path("class");
        fs::create_dir(&class).unwrap();
        for (name, is_partition) in [
            ("sda/sda1", true),
            ("sda/sda2", true),
            ("sdb/sdb1", true),
            ("dm-0", false),
            ("md0", false),
        ] {
            let block = path("devices").join(name);
            fs::create_dir_all(block.join("slaves")).unwrap();
            if is_partition {
                fs::write(block.join("partition"), "1").unwrap();
            }
            std::os::unix::fs::symlink(&block, class.join(block.file_name().unwrap())).unwrap();
            // The device nodes.
            fs::write(path(block.file_name().unwrap().to_str().unwrap()), "").unwrap();
        }
        for (mapping, below) in [("dm-0", "sda2"), ("md0", "sda1"), ("md0", "sdb1")] {
            std::os::unix::fs::symlink(
                class.join(below),
                path("devices").join(mapping).join("slaves").join(below),
            )
            .unwrap();
        }
        let of = |device: &str| only_disk(&class, &path(device));
        assert_eq!(of("sdb1").as_deref(), Some("/dev/sdb"));
        assert_eq!(of("dm-0").as_deref(), Some("/dev/sda"));
        assert_eq!(of("md0"), None);
        assert_eq!(of("nothing"), None);
    }

    #[test]
    fn the_largest_disk_is_neither_a_loop_nor_a_cd_nor_read_only_nor_the_medium() {
        let live = tempfile::tempdir().unwrap();
        let sys = live.path().join("sys");
        let disk = |name: &str, sectors: u64, read_only: u8, is_device: bool| {
            let directory = sys.join("devices/pci").join(name);
            fs::create_dir_all(&directory).unwrap();
            if is_device {
                fs::create_dir(directory.join("device")).unwrap();
            }
            fs::write(directory.join("size"), format!("{sectors}\n")).unwrap();
            fs::write(directory.join("ro"), format!("{read_only}\n")).unwrap();
            fs::create_dir_all(sys.join("block")).unwrap();
            std::os::unix::fs::symlink(&directory, sys.join("block").join(name)).unwrap();
            directory
        };
        assert_eq!(Decisions::read(live.path(), live.path()).largest_disk, None);
        disk("loop0", 9000, 0, false);
        disk("sr0", 8000, 0, true);
        disk("nvme0n1", 7000, 1, true);
        assert_eq!(Decisions::read(live.path(), live.path()).largest_disk, None);
        let stick = disk("sdb", 6000, 0, true);
        disk("sda", 5000, 0, true);
        disk("vda", 400, 0, true);
        assert_eq!(Decisions::read(live.path(), live.path()).largest_disk, Some(6000 * 512));
        // The live system came from its first partition.
        fs::create_dir(live.path().join("iso")).unwrap();
        fs::create_dir(stick.join("sdb1")).unwrap();
        let dev = fs::metadata(live.path().join("iso")).unwrap().dev();
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        let link = sys.join(format!("dev/block/{}:{}", major(dev), minor(dev)));
        std::os::unix::fs::symlink(stick.join("sdb1"), link).unwrap();
        assert_eq!(Decisions::read(live.path(), live.path()).largest_disk, Some(5000 * 512));
    }
}
