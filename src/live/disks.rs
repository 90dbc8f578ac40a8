//! The disks that the live system could write to, as directories of sysfs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use crate::diagnostic::Unusable;

/// The directories in sysfs of the disks that the live system at `live` sees and could write to, without its own medium. A loop,
/// a mapping, memory have no device.
pub fn disks(live: &Path) -> Vec<PathBuf> {
    let mut disks = writable(live);
    disks.retain(|disk| disk.join("device").exists());
    disks
}

/// As [`disks`], of all that is no partition.
fn writable(live: &Path) -> Vec<PathBuf> {
    let usable = all(live).into_iter().filter(|(_, why)| why.is_none());
    usable.map(|(disk, _)| disk).collect()
}

/// The directories in sysfs of all that is no partition, and why the live system at `live` cannot install to it. A CD-ROM is named `sr`.
pub fn all(live: &Path) -> Vec<(PathBuf, Option<Unusable>)> {
    let device = |path: &Path| fs::canonicalize(path).ok();
    let medium = fs::metadata(live.join("iso")).ok().and_then(|meta| {
        let (major, minor) = (major(meta.dev()), minor(meta.dev()));
        device(&live.join(format!("sys/dev/block/{major}:{minor}")))
    });
    let disks = fs::read_dir(live.join("sys/block")).into_iter().flatten().flatten();
    let why = |disk: &Path| {
        let is_medium = device(disk).is_some_and(|disk| medium.as_ref().is_some_and(|medium| medium.starts_with(disk)));
        let is_cd = disk
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"sr"));
        // One path to a disk of several, which has a device of its own (NVMe with more than one controller).
        let is_hidden = number(&disk.join("hidden")) == Some(1);
        let found = [
            (is_medium, Unusable::Medium),
            (is_cd, Unusable::Optical),
            (is_hidden, Unusable::Hidden),
            (number(&disk.join("ro")) != Some(0), Unusable::WriteProtected),
        ];
        found.into_iter().find_map(|(is_so, why)| is_so.then_some(why))
    };
    let disks = disks.map(|entry| entry.path());
    disks.map(|disk| (disk.clone(), why(&disk))).collect()
}

/// Whether a person puts the disk in and takes it out: a stick, a card, anything at USB. Linux calls only some of them removable: no
/// card of an MMC host (Linux 6.12, drivers/mmc/core/block.c), and no disk in a USB case.
pub fn is_removable(disk: &Path) -> bool {
    let is_usb = |part: &OsStr| {
        let bus = part.to_str().and_then(|part| part.strip_prefix("usb"));
        bus.is_some_and(|bus| !bus.is_empty() && bus.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_card = fs::read_to_string(disk.join("device/type")).is_ok_and(|kind| kind.trim() == "SD");
    let at_usb = fs::canonicalize(disk).is_ok_and(|disk| disk.iter().any(is_usb));
    number(&disk.join("removable")) == Some(1) || is_card || at_usb
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

    fn largest(live: &Path) -> Option<u64> {
        disks(live).iter().filter_map(|disk| size(disk)).max()
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
        assert_eq!(largest(live.path()), None);
        disk("loop0", 9000, 0, false);
        disk("sr0", 8000, 0, true);
        disk("nvme0n1", 7000, 1, true);
        let path = disk("nvme1c0n1", 7000, 0, true);
        fs::write(path.join("hidden"), "1\n").unwrap();
        assert_eq!(largest(live.path()), None);
        let stick = disk("sdb", 6000, 0, true);
        disk("sda", 5000, 0, true);
        disk("vda", 400, 0, true);
        assert_eq!(largest(live.path()), Some(6000 * 512));
        // The live system came from its first partition.
        fs::create_dir(live.path().join("iso")).unwrap();
        fs::create_dir(stick.join("sdb1")).unwrap();
        let dev = fs::metadata(live.path().join("iso")).unwrap().dev();
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        let link = sys.join(format!("dev/block/{}:{}", major(dev), minor(dev)));
        std::os::unix::fs::symlink(stick.join("sdb1"), link).unwrap();
        assert_eq!(largest(live.path()), Some(5000 * 512));
    }

    #[test]
    fn what_a_person_puts_in_is_removable_whatever_the_kernel_says() {
        let sys = tempfile::tempdir().unwrap();
        let disk = |path: &str, removable: &str, kind: Option<&str>| {
            let directory = sys.path().join(path);
            fs::create_dir_all(directory.join("device")).unwrap();
            fs::write(directory.join("removable"), removable).unwrap();
            if let Some(kind) = kind {
                fs::write(directory.join("device/type"), kind).unwrap();
            }
            is_removable(&directory)
        };
        assert!(disk("pci/usb2/2-1/block/sdb", "1\n", None));
        assert!(disk("pci/usb2/2-2/block/sdc", "0\n", None), "a disk in a USB case");
        assert!(disk("pci/mmc0/block/mmcblk1", "0\n", Some("SD\n")));
        assert!(!disk("pci/mmc1/block/mmcblk0", "0\n", Some("MMC\n")), "it is soldered");
        assert!(
            !disk("pci/usbx/ata1/block/sda", "0\n", Some("0\n")),
            "a SCSI disk has a type too"
        );
    }
}
