//! What the live system uses of a disk.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};

use super::mounts::Mount;

/// The number of the block device at `path`: `MAJOR:MINOR`. `None`: it is none.
#[must_use]
pub fn number(path: impl AsRef<Path>) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let device = meta.rdev();
    let is_block = meta.file_type().is_block_device();
    is_block.then(|| format!("{}:{}", major(device), minor(device)))
}

/// What of `mounts` is on the disk with this number, and the swap on it, in the live system whose `/sys` and `/proc` are below
/// `live`: `/iso`, `swap on /dev/sda2`.
#[must_use]
pub fn uses(live: &Path, disk: &str, mounts: &[Mount]) -> Vec<String> {
    let mut parts = BTreeSet::new();
    add_parts(&live.join("sys/dev/block").join(disk), &mut parts);
    // A file system of several devices (btrfs) has a number of its own.
    let is_part =
        |mount: &&Mount| parts.contains(&mount.number) || number(&mount.source).is_some_and(|one| parts.contains(&one));
    let mounted = mounts
        .iter()
        .filter(is_part)
        .map(|mount| mount.at.display().to_string());
    let swaps = fs::read_to_string(live.join("proc/swaps")).unwrap_or_default();
    let swaps = swaps.lines().filter_map(|line| line.split(' ').next());
    let swaps = swaps.filter(|swap| number(swap).is_some_and(|one| parts.contains(&one)));
    mounted.chain(swaps.map(|swap| format!("swap on {swap}"))).collect()
}

/// Adds the numbers of the block device (a directory of sysfs), of its partitions, and of what is made of these.
fn add_parts(device: &Path, parts: &mut BTreeSet<String>) {
    let Ok(number) = fs::read_to_string(device.join("dev")) else {
        return;
    };
    if !parts.insert(number.trim().to_owned()) {
        return;
    }
    let entries = |directory: &Path| {
        fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    let partitions = entries(device)
        .into_iter()
        .filter(|entry| entry.join("partition").exists());
    for part in partitions.chain(entries(&device.join("holders"))) {
        add_parts(&part, parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_what_is_made_of_them_belong_to_a_disk() {
        let live = tempfile::tempdir().unwrap();
        let sys = live.path().join("sys");
        let put = |path: &str, number: &str| {
            fs::create_dir_all(sys.join(path)).unwrap();
            fs::write(sys.join(path).join("dev"), format!("{number}\n")).unwrap();
        };
        put("devices/sda", "8:0");
        put("devices/sda/sda1", "8:1");
        fs::write(sys.join("devices/sda/sda1/partition"), "1\n").unwrap();
        put("devices/sda/queue", "9:9");
        put("devices/dm-0", "253:0");
        fs::create_dir(sys.join("devices/sda/sda1/holders")).unwrap();
        std::os::unix::fs::symlink(sys.join("devices/dm-0"), sys.join("devices/sda/sda1/holders/dm-0")).unwrap();
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        std::os::unix::fs::symlink(sys.join("devices/sda"), sys.join("dev/block/8:0")).unwrap();
        let mount = |number: &str, at: &str| Mount {
            number: number.to_owned(),
            source: "/dev/none".into(),
            part: "/".into(),
            at: at.into(),
            kind: "ext4".to_owned(),
            options: "rw".to_owned(),
        };
        let mounts = [
            mount("8:1", "/iso"),
            mount("253:0", "/home"),
            mount("9:9", "/no"),
            mount("8:16", "/other"),
        ];
        assert_eq!(uses(live.path(), "8:0", &mounts), ["/iso", "/home"]);
        assert_eq!(
            uses(live.path(), "8:16", &mounts),
            Vec::<String>::new(),
            "it is not there"
        );
    }
}
