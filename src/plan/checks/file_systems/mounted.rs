//! What is mounted at the target, and by which names the live system knows its devices.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::{major, minor};

use crate::live::mounts::{self, Mount};
use crate::process::{Invocation, Runner};

/// Finds the number of the block device that a path leads to.
pub type Number = Box<dyn Fn(&str) -> Option<String>>;

/// The live system's view.
pub struct Live {
    /// The file systems that are mounted at the target, by the paths that they have in the installed system.
    pub mounted: Vec<Mounted>,
    /// The number (`MAJOR:MINOR`) of the block device at a path of the live system; `None` where there is none.
    pub number: Number,
}

/// A file system that is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounted {
    /// Where, in the installed system.
    pub at: String,
    /// Its type.
    pub kind: String,
    /// The part of it: `/`, a folder, or the subvolume of a btrfs.
    pub part: String,
    /// The device as the kernel names it.
    pub source: String,
    /// The devices that it lies on: one, or several of a btrfs.
    pub devices: Vec<Device>,
}

/// A block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// `MAJOR:MINOR`.
    pub number: String,
    /// The names that udev makes of its contents and of its partition: by the folder in /dev/disk, in udev's encoding.
    pub names: BTreeMap<&'static str, String>,
    /// The encrypted volumes that it is opened from, by their containers.
    pub containers: Vec<Device>,
}

/// The folders of /dev/disk whose names are made from what is on a disk, with what `blkid -o udev` calls that.
const NAMES: [(&str, &str); 4] = [
    ("by-uuid", "ID_FS_UUID_ENC"),
    ("by-label", "ID_FS_LABEL_ENC"),
    ("by-partuuid", "ID_PART_ENTRY_UUID"),
    ("by-partlabel", "ID_PART_ENTRY_NAME"),
];

impl Live {
    /// Looks at what is mounted at `root`. A program that cannot be run tells nothing.
    #[must_use]
    pub fn look(runner: &Runner, root: &Path) -> Self {
        let sys = Path::new("/sys");
        let mut mounted: Vec<Mounted> = Vec::new();
        for mount in mounts::below(root) {
            let Some(at) = inside(&mount, root) else { continue };
            // What was mounted last hides what was there.
            mounted.retain(|before| before.at != at);
            mounted.push(Mounted {
                at,
                part: mount.part.to_string_lossy().into_owned(),
                source: mount.source.to_string_lossy().into_owned(),
                devices: devices(runner, sys, &mount),
                kind: mount.kind,
            });
        }
        Self {
            mounted,
            number: Box::new(number),
        }
    }
}

/// Where `mount` is in the installed system. `None` for what only the live system mounts there, as nixos-generate-config
/// (24.05, 26.11) leaves it out.
fn inside(mount: &Mount, root: &Path) -> Option<String> {
    let at = format!("/{}", mount.at.strip_prefix(root).ok()?.to_str()?);
    let of_live = ["/proc", "/dev", "/sys", "/run"]
        .iter()
        .any(|folder| Path::new(&at).starts_with(folder));
    (!(of_live || at == "/tmp" && mount.kind == "tmpfs")).then_some(at)
}

/// The number of the block device at `path`.
fn number(path: &str) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let device = meta.rdev();
    meta.file_type()
        .is_block_device()
        .then(|| format!("{}:{}", major(device), minor(device)))
}

/// The devices of what is mounted; a bcachefs names all of its own, with colons between.
fn devices(runner: &Runner, sys: &Path, mount: &Mount) -> Vec<Device> {
    let source = mount.source.to_string_lossy().into_owned();
    let mut numbers: Vec<String> = source.split(':').filter_map(number).collect();
    if mount.kind == "btrfs" {
        for other in btrfs(sys, &numbers) {
            if !numbers.contains(&other) {
                numbers.push(other);
            }
        }
    }
    numbers.into_iter().map(|number| device(runner, sys, number)).collect()
}

/// The numbers of all devices of the btrfs that one of `numbers` belongs to.
fn btrfs(sys: &Path, numbers: &[String]) -> Vec<String> {
    let of = |folder: &Path| -> Vec<String> {
        let devices = fs::read_dir(folder.join("devices")).into_iter().flatten().flatten();
        devices.filter_map(|device| read(&device.path().join("dev"))).collect()
    };
    let all = fs::read_dir(sys.join("fs/btrfs")).into_iter().flatten().flatten();
    let mut sets = all.map(|folder| of(&folder.path()));
    sets.find(|set| set.iter().any(|one| numbers.contains(one)))
        .unwrap_or_default()
}

fn device(runner: &Runner, sys: &Path, number: String) -> Device {
    Device {
        names: names(runner, sys, &number).unwrap_or_default(),
        containers: containers(sys, &number)
            .into_iter()
            .map(|below| device(runner, sys, below))
            .collect(),
        number,
    }
}

/// The devices that hold the encrypted volumes below the device: of a logical volume on a mapping of dm-crypt, what that
/// mapping opens.
fn containers(sys: &Path, number: &str) -> Vec<String> {
    let block = sys.join("dev/block").join(number);
    let below = fs::read_dir(block.join("slaves")).into_iter().flatten().flatten();
    let below: Vec<String> = below.filter_map(|slave| read(&slave.path().join("dev"))).collect();
    if read(&block.join("dm/uuid")).is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return below;
    }
    below.iter().flat_map(|below| containers(sys, below)).collect()
}

fn read(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

fn names(runner: &Runner, sys: &Path, number: &str) -> Option<BTreeMap<&'static str, String>> {
    let event = fs::read_to_string(sys.join("dev/block").join(number).join("uevent")).ok()?;
    let name = event.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    let ask = Invocation::new("blkid")
        .args(["-p", "-o", "udev"])
        .arg(format!("/dev/{name}"))
        .quiet();
    let finished = runner.run(&ask, &mut |_, _| {}).ok()?;
    let text = finished.text().ok()?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| Some(line.split_once('=').filter(|(name, _)| *name == key)?.1.to_owned()))
    };
    Some(
        NAMES
            .iter()
            .filter_map(|(folder, key)| Some((*folder, value(key)?)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_of_a_logical_volume_on_an_encrypted_partition_are_found() {
        let sys = tempfile::tempdir().unwrap();
        let block = |number: &str, uuid: &str, below: &[&str]| {
            let folder = sys.path().join("dev/block").join(number);
            fs::create_dir_all(folder.join("dm")).unwrap();
            fs::write(folder.join("dm/uuid"), uuid).unwrap();
            for below in below {
                let slave = folder.join("slaves").join(below);
                fs::create_dir_all(&slave).unwrap();
                fs::write(slave.join("dev"), format!("{below}\n")).unwrap();
            }
        };
        block("254:1", "LVM-x\n", &["254:0"]);
        block("254:0", "CRYPT-LUKS2-y\n", &["8:2"]);
        assert_eq!(containers(sys.path(), "254:1"), ["8:2"]);
        assert_eq!(containers(sys.path(), "8:2"), [""; 0]);
    }

    #[test]
    fn all_devices_of_a_btrfs_are_found_by_one_of_them() {
        let sys = tempfile::tempdir().unwrap();
        for (uuid, name, number) in [("a", "sda1", "8:1"), ("b", "sdb1", "8:17"), ("b", "sdc1", "8:33")] {
            let folder = sys.path().join("fs/btrfs").join(uuid).join("devices").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("dev"), format!("{number}\n")).unwrap();
        }
        assert_eq!(btrfs(sys.path(), &["8:33".to_owned()]).len(), 2);
        assert_eq!(btrfs(sys.path(), &["8:1".to_owned()]), ["8:1"]);
        assert_eq!(btrfs(sys.path(), &["7:0".to_owned()]), [""; 0]);
    }

    #[test]
    fn what_only_the_live_system_mounts_is_no_file_system_of_the_target() {
        let mount = |at: &str, kind: &str| Mount {
            number: String::new(),
            source: "x".into(),
            part: "/".into(),
            at: at.into(),
            kind: kind.to_owned(),
            options: String::new(),
        };
        let at = |at: &str, kind: &str| inside(&mount(at, kind), Path::new("/mnt"));
        assert_eq!(at("/mnt", "ext4").as_deref(), Some("/"));
        assert_eq!(at("/mnt/nix/store", "ext4").as_deref(), Some("/nix/store"));
        assert_eq!(at("/mnt/dev/shm", "tmpfs"), None);
        assert_eq!(at("/mnt/tmp", "tmpfs"), None);
        assert_eq!(at("/mnt/tmp", "ext4").as_deref(), Some("/tmp"));
    }
}
