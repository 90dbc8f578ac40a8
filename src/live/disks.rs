//! The disks that the live system could write to, as directories of sysfs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

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
}
