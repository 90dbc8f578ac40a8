//! What the live system uses of a disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::block_devices::{disks_of, is_claimed, is_logical_volume, lies_on, made_of, node, number, of_mount, parts};
use super::mounts::{self, Mount};
use crate::diagnostic::DiskUse;

/// How the disk with this number is used now: what of it is mounted, swap, and what else has a part of it for itself.
#[must_use]
pub fn uses(disk: &str) -> Vec<DiskUse> {
    let live = Path::new("/");
    uses_in(live, disk, &mounts::below(live))
}

/// As [`uses`], in a live system whose `/sys` and `/proc` are below `live`, and which has `mounts`.
fn uses_in(live: &Path, disk: &str, mounts: &[Mount]) -> Vec<DiskUse> {
    let sys = live.join("sys");
    let parts = parts(&sys, disk);
    let mut explained = BTreeSet::new();
    let mut uses = Vec::new();
    let mut add = |numbers: Vec<String>, what: DiskUse| {
        if numbers.iter().any(|one| parts.contains(one)) {
            explained.extend(numbers);
            uses.push(what);
        }
    };
    for mount in mounts {
        let mut numbers = of_mount(&sys, mount);
        numbers.push(mount.number.clone());
        add(numbers, DiskUse::Mounted(mount.at.clone()));
    }
    for swap in swaps(live) {
        add(number(&swap).into_iter().collect(), DiskUse::Swap(swap));
    }
    let others = parts.difference(&explained).filter(|part| is_claimed(&sys, part));
    uses.extend(others.filter_map(|part| node(&sys, part)).map(DiskUse::Claimed));
    uses
}

/// The arrays and mappings on `disk`, if it is one of those `erased`, that are also on disks which stay. Of logical volumes, the group
/// counts.
#[must_use]
pub fn shared(sys: &Path, disk: &str, erased: &BTreeSet<String>) -> Vec<DiskUse> {
    if !erased.contains(disk) {
        return Vec::new();
    }
    let shared = made_of(sys, disk).filter(|made| !is_logical_volume(sys, made) && !lies_on(sys, made, erased));
    let shared = shared.filter_map(|made| {
        let others = disks_of(sys, &made).into_iter().filter(|other| !erased.contains(other));
        Some(DiskUse::Shared {
            made: node(sys, &made)?,
            others: others.filter_map(|other| node(sys, &other)).collect(),
        })
    });
    shared.collect()
}

/// The swap partitions and files that are in use.
#[must_use]
pub fn swaps(live: &Path) -> Vec<PathBuf> {
    let swaps = fs::read_to_string(live.join("proc/swaps")).unwrap_or_default();
    let names = swaps.lines().skip(1).filter_map(|line| line.split(' ').next());
    names.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::block_devices::tests::sysfs;

    #[test]
    fn an_array_on_two_disks_is_shared_and_a_mapping_on_one_is_not() {
        let sys = sysfs(&[
            ("sda", "8:0", &[]),
            ("sda/sda1", "8:1", &[]),
            ("sda/sda2", "8:2", &[]),
            ("sdb", "8:16", &[]),
            ("dm-0", "253:0", &["8:1"]),
            ("md0", "9:0", &["8:2", "8:16"]),
            ("dm-1", "253:1", &["9:0"]),
        ]);
        for (path, name) in [("sdb", "sdb"), ("md0", "md0")] {
            fs::write(
                sys.path().join("devices").join(path).join("uevent"),
                format!("DEVNAME={name}\n"),
            )
            .unwrap();
        }
        let others = vec!["/dev/sdb".into()];
        let made = "/dev/md0".into();
        let shared = |disk: &str, erased: &[&str]| {
            let erased = erased.iter().map(|one| (*one).to_owned()).collect();
            shared(sys.path(), disk, &erased)
        };
        assert_eq!(shared("8:0", &["8:0"]), [DiskUse::Shared { made, others }]);
        assert_eq!(shared("8:0", &["8:0", "8:16"]), [], "both are erased");
        assert_eq!(shared("8:0", &["8:16"]), [], "it stays itself");
        assert_eq!(shared("9:0", &["9:0"]), [], "what is on the array that was named");
    }

    #[test]
    fn what_is_mounted_from_a_part_of_a_disk_uses_it() {
        let live = sysfs(&[
            ("sda", "8:0", &[]),
            ("sda/sda1", "8:1", &[]),
            ("dm-0", "253:0", &["8:1"]),
            ("sdb", "8:16", &[]),
        ]);
        std::os::unix::fs::symlink(live.path(), live.path().join("sys")).unwrap();
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
        let mounted = |at: &str| DiskUse::Mounted(at.into());
        let of = |number: &str| uses_in(live.path(), number, &mounts);
        assert_eq!(of("8:0"), [mounted("/iso"), mounted("/home")]);
        assert_eq!(of("8:16"), [mounted("/other")]);
        assert_eq!(of("8:32"), [], "it is not there");
    }
}
