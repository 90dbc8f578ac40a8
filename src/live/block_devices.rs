//! Block devices and what they are made of, as sysfs has it. A device is named by its number, `MAJOR:MINOR`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::libc::EBUSY;
use nix::sys::stat::{major, minor};

use super::mounts::Mount;

/// Where sysfs is mounted in the live system.
pub const SYS: &str = "/sys";

/// The number of the block device at `path`. `None`: it is not a block device.
#[must_use]
pub fn number(path: impl AsRef<Path>) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let device = meta.rdev();
    let is_block = meta.file_type().is_block_device();
    is_block.then(|| format!("{}:{}", major(device), minor(device)))
}

/// The path that the kernel gives the device.
#[must_use]
pub fn node(sys: &Path, number: &str) -> Option<PathBuf> {
    Some(Path::new("/dev").join(event(sys, number, "DEVNAME")?))
}

/// The name of a partition in its GPT.
#[must_use]
pub fn partition_name(sys: &Path, number: &str) -> Option<String> {
    event(sys, number, "PARTNAME")
}

fn event(sys: &Path, number: &str, key: &str) -> Option<String> {
    let event = fs::read_to_string(block(sys, number).join("uevent")).ok()?;
    let value = |line: &str| Some(line.strip_prefix(key)?.strip_prefix('=')?.to_owned());
    event.lines().find_map(value)
}

/// All devices.
#[must_use]
pub fn all(sys: &Path) -> Vec<String> {
    let all = entries(&sys.join("dev/block")).into_iter();
    all.filter_map(|one| Some(one.file_name()?.to_str()?.to_owned()))
        .collect()
}

/// What tells a disk from another that was attached under its number later (Linux 5.15; before, it is the number alone).
#[must_use]
pub fn identity(sys: &Path, number: &str) -> String {
    let attached = read(&block(sys, number).join("diskseq")).unwrap_or_default();
    format!("{number} {attached}")
}

/// Whether the device is a partition.
#[must_use]
pub fn is_partition(sys: &Path, number: &str) -> bool {
    block(sys, number).join("partition").exists()
}

/// What the device consists of: the members of an array, the device of a mapping; empty for disks and partitions.
#[must_use]
pub fn members(sys: &Path, number: &str) -> Vec<String> {
    numbers_in(&block(sys, number).join("slaves"))
}

/// The devices that contain the encrypted volumes of dm-crypt which the device is, or is made of: for a logical volume on such a
/// mapping, the device that the mapping decrypts.
#[must_use]
pub fn encrypted_below(sys: &Path, number: &str) -> Vec<String> {
    let below = members(sys, number);
    if is_mapping_of_crypt(sys, number) {
        return below;
    }
    below.iter().flat_map(|below| encrypted_below(sys, below)).collect()
}

/// Whether the device is an encrypted volume of dm-crypt, or made of one.
#[must_use]
pub fn is_encrypted(sys: &Path, number: &str) -> bool {
    is_mapping_of_crypt(sys, number) || members(sys, number).iter().any(|below| is_encrypted(sys, below))
}

/// Whether the device is an encrypted volume of dm-crypt.
#[must_use]
pub fn is_mapping_of_crypt(sys: &Path, number: &str) -> bool {
    is_mapping_of(sys, number, "CRYPT-")
}

/// Whether the device is a logical volume, or a part of one.
#[must_use]
pub fn is_logical_volume(sys: &Path, number: &str) -> bool {
    is_mapping_of(sys, number, "LVM-")
}

/// Whether the device is a mapping whose UUID begins like that: by it, programs know their own.
fn is_mapping_of(sys: &Path, number: &str, program: &str) -> bool {
    let uuid = read(&block(sys, number).join("dm/uuid"));
    uuid.is_some_and(|uuid| uuid.starts_with(program))
}

/// Whether the device is an array of md.
#[must_use]
pub fn is_array(sys: &Path, number: &str) -> bool {
    block(sys, number).join("md").exists()
}

/// The disk that all of the file system is on. `None`: it is on several.
#[must_use]
pub fn only_disk(sys: &Path, mount: &Mount) -> Option<PathBuf> {
    let devices = of_mount(sys, mount);
    let mut disks: BTreeSet<String> = devices.iter().flat_map(|device| disks_of(sys, device)).collect();
    (disks.len() == 1)
        .then(|| disks.pop_first())
        .flatten()
        .and_then(|disk| node(sys, &disk))
}

/// What arrays and mappings are made of the disk's partitions or of the disk, in any order.
pub fn made_of(sys: &Path, disk: &str) -> impl Iterator<Item = String> {
    let parts = parts(sys, disk).into_iter();
    parts.filter(move |part| part != disk && !is_partition(sys, part))
}

/// Whether nothing is made of the device.
#[must_use]
pub fn is_uppermost(sys: &Path, number: &str) -> bool {
    entries(&block(sys, number).join("holders")).is_empty()
}

/// The name of a mapping; `None` for anything else.
#[must_use]
pub fn mapping_name(sys: &Path, number: &str) -> Option<String> {
    read(&block(sys, number).join("dm/name"))
}

/// The disks that the device is on: one, or several of an array.
#[must_use]
pub fn disks_of(sys: &Path, number: &str) -> BTreeSet<String> {
    let below = below(sys, number);
    if below.is_empty() {
        return BTreeSet::from([number.to_owned()]);
    }
    below.iter().flat_map(|below| disks_of(sys, below)).collect()
}

/// What the device is on directly: its members, or the disk that it is a partition of.
fn below(sys: &Path, number: &str) -> Vec<String> {
    let mut below = members(sys, number);
    if is_partition(sys, number) {
        let disk = fs::canonicalize(block(sys, number)).ok();
        below.extend(disk.and_then(|partition| read(&partition.parent()?.join("dev"))));
    }
    below
}

/// Whether all of the device is on `devices`.
#[must_use]
pub fn lies_on(sys: &Path, number: &str, devices: &BTreeSet<String>) -> bool {
    if devices.contains(number) {
        return true;
    }
    let below = below(sys, number);
    !below.is_empty() && below.iter().all(|one| lies_on(sys, one, devices))
}

/// The device, its partitions, and what is made of these.
#[must_use]
pub fn parts(sys: &Path, number: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    add_parts(&block(sys, number), &mut parts);
    parts
}

fn add_parts(device: &Path, parts: &mut BTreeSet<String>) {
    let Some(number) = read(&device.join("dev")) else {
        return;
    };
    if !parts.insert(number) {
        return;
    }
    let partitions = entries(device)
        .into_iter()
        .filter(|entry| entry.join("partition").exists());
    for part in partitions.chain(entries(&device.join("holders"))) {
        add_parts(&part, parts);
    }
}

/// Whether something that sysfs does not show has the device for itself: a pool of ZFS, a bcachefs, another program.
#[must_use]
pub fn is_claimed(sys: &Path, number: &str) -> bool {
    let device = block(sys, number);
    let is_shown = !entries(&device.join("holders")).is_empty()
        || entries(&device).iter().any(|entry| entry.join("partition").exists());
    let open = |node: PathBuf| {
        let mut options = File::options();
        options.read(true).custom_flags(OFlag::O_EXCL.bits()).open(node)
    };
    let busy = |error: std::io::Error| error.kind() == ErrorKind::ResourceBusy || error.raw_os_error() == Some(EBUSY);
    !is_shown && node(sys, number).is_some_and(|node| open(node).is_err_and(busy))
}

/// The devices of a file system: one, or several of a btrfs or a bcachefs, whose source names all, separated by colons.
#[must_use]
pub fn of_mount(sys: &Path, mount: &Mount) -> Vec<String> {
    let source = mount.source.to_string_lossy();
    let mut numbers: Vec<String> = source.split(':').filter_map(number).collect();
    if mount.kind == "btrfs" {
        for other in of_btrfs(sys, &numbers) {
            if !numbers.contains(&other) {
                numbers.push(other);
            }
        }
    }
    numbers
}

/// All devices of the btrfs that one of `numbers` belongs to.
fn of_btrfs(sys: &Path, numbers: &[String]) -> Vec<String> {
    let all = entries(&sys.join("fs/btrfs")).into_iter();
    let mut sets = all.map(|directory| numbers_in(&directory.join("devices")));
    sets.find(|set| set.iter().any(|one| numbers.contains(one)))
        .unwrap_or_default()
}

fn block(sys: &Path, number: &str) -> PathBuf {
    sys.join("dev/block").join(number)
}

fn numbers_in(directory: &Path) -> Vec<String> {
    let devices = entries(directory).into_iter();
    devices.filter_map(|device| read(&device.join("dev"))).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn read(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
pub mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A sysfs with a device for each `(path below devices, number, what it consists of)`. A path in another is its partition.
    pub fn sysfs(devices: &[(&str, &str, &[&str])]) -> TempDir {
        let sys = tempfile::tempdir().unwrap();
        let numbers = sys.path().join("dev/block");
        fs::create_dir_all(&numbers).unwrap();
        for (path, number, members) in devices {
            let device = sys.path().join("devices").join(path);
            for directory in ["slaves", "holders", "queue"] {
                fs::create_dir_all(device.join(directory)).unwrap();
            }
            fs::write(device.join("dev"), format!("{number}\n")).unwrap();
            fs::write(device.join("diskseq"), "7\n").unwrap();
            if path.contains('/') {
                fs::write(device.join("partition"), "1\n").unwrap();
                fs::write(
                    device.join("uevent"),
                    format!("DEVNAME=none\nPARTNAME=name of {path}\n"),
                )
                .unwrap();
            }
            symlink(&device, numbers.join(number)).unwrap();
            for member in *members {
                let member = fs::canonicalize(numbers.join(member)).unwrap();
                symlink(&member, device.join("slaves").join(member.file_name().unwrap())).unwrap();
                symlink(&device, member.join("holders").join(device.file_name().unwrap())).unwrap();
            }
        }
        sys
    }

    #[test]
    fn what_a_device_lies_on_is_found_through_partitions_mappings_and_arrays() {
        let sys = sysfs(&[
            ("sda", "8:0", &[]),
            ("sda/sda1", "8:1", &[]),
            ("sdb", "8:16", &[]),
            ("sdb/sdb1", "8:17", &[]),
            ("dm-0", "253:0", &["8:1"]),
            ("md0", "9:0", &["253:0", "8:17"]),
        ]);
        let lies_on = |number: &str, devices: &[&str]| {
            let devices = devices.iter().map(|one| (*one).to_owned()).collect();
            lies_on(sys.path(), number, &devices)
        };
        assert!(lies_on("253:0", &["8:0"]));
        assert!(!lies_on("253:0", &["8:16"]));
        assert!(!lies_on("9:0", &["8:0"]), "half of it");
        assert!(lies_on("9:0", &["8:0", "8:17"]));
        assert!(!lies_on("8:0", &["8:1"]), "a disk is more than its partition");
        assert!(!lies_on("7:0", &["8:0"]), "it is not there");
        let all = parts(sys.path(), "8:0");
        assert_eq!(all.iter().collect::<Vec<_>>(), ["253:0", "8:0", "8:1", "9:0"]);
        assert_eq!(partition_name(sys.path(), "8:17").as_deref(), Some("name of sdb/sdb1"));
        assert_eq!(identity(sys.path(), "8:0"), "8:0 7");
        assert!(is_partition(sys.path(), "8:1") && !is_partition(sys.path(), "8:0"));
        assert_eq!(Vec::from_iter(disks_of(sys.path(), "253:0")), ["8:0"]);
        assert_eq!(Vec::from_iter(disks_of(sys.path(), "9:0")), ["8:0", "8:16"]);
        assert_eq!(made_of(sys.path(), "8:0").collect::<Vec<_>>(), ["253:0", "9:0"]);
        assert!(is_uppermost(sys.path(), "9:0") && !is_uppermost(sys.path(), "253:0"));
    }

    #[test]
    fn the_encrypted_volume_below_a_logical_volume_is_found() {
        let sys = sysfs(&[
            ("sda", "8:0", &[]),
            ("sda/sda2", "8:2", &[]),
            ("dm-0", "254:0", &["8:2"]),
            ("dm-1", "254:1", &["254:0"]),
        ]);
        for (device, uuid) in [("dm-0", "CRYPT-LUKS2-y\n"), ("dm-1", "LVM-x\n")] {
            let mapping = sys.path().join("devices").join(device).join("dm");
            fs::create_dir(&mapping).unwrap();
            fs::write(mapping.join("uuid"), uuid).unwrap();
        }
        assert_eq!(encrypted_below(sys.path(), "254:1"), ["8:2"]);
        assert_eq!(encrypted_below(sys.path(), "8:2"), [""; 0]);
    }

    #[test]
    fn all_devices_of_a_btrfs_are_found_by_one_of_them() {
        let sys = tempfile::tempdir().unwrap();
        for (uuid, name, number) in [("a", "sda1", "8:1"), ("b", "sdb1", "8:17"), ("b", "sdc1", "8:33")] {
            let directory = sys.path().join("fs/btrfs").join(uuid).join("devices").join(name);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("dev"), format!("{number}\n")).unwrap();
        }
        assert_eq!(of_btrfs(sys.path(), &["8:33".to_owned()]).len(), 2);
        assert_eq!(of_btrfs(sys.path(), &["8:1".to_owned()]), ["8:1"]);
        assert_eq!(of_btrfs(sys.path(), &["7:0".to_owned()]), [""; 0]);
    }
}
