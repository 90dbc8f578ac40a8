//! What is mounted at the target, and the names of its devices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::live::block_devices::{SYS, encrypted_below, node, number, of_mount};
use crate::live::mounts::{self, Mount};
use crate::process::{Invocation, Runner};

/// A file system that is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounted {
    /// The mount point in the installed system: `/home`.
    pub at: String,
    /// Its type: `ext4`.
    pub kind: String,
    /// The part of it: `/`, a directory, or the subvolume of a btrfs.
    pub part: String,
    /// The device as the kernel names it.
    pub source: String,
    /// Its devices: one, or several of a btrfs.
    pub devices: Vec<Device>,
}

/// A block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// `MAJOR:MINOR`.
    pub number: String,
    /// The names that udev makes from its contents and its partition: by the directory in /dev/disk, in udev's encoding.
    pub names: BTreeMap<&'static str, String>,
    /// Its entry in a partition table, if it is a partition.
    pub partition: Option<Partition>,
    /// The devices that contain the encrypted volumes below it.
    pub containers: Vec<Device>,
}

/// The entry of a partition table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// `gpt`, `dos`, … as blkid calls them.
    pub table: String,
    /// The type: a GUID in small letters (`gpt`), or a hexadecimal number as `0xef` (`dos`).
    pub kind: String,
    /// Its number in the table, from 1.
    pub number: String,
    /// The disk: `/dev/sda`.
    pub disk: PathBuf,
}

/// The directories of /dev/disk whose names are made from what is on a disk, and the variable of `blkid -o udev` with that
/// name.
const NAMES: [(&str, &str); 4] = [
    ("by-uuid", "ID_FS_UUID_ENC"),
    ("by-label", "ID_FS_LABEL_ENC"),
    ("by-partuuid", "ID_PART_ENTRY_UUID"),
    ("by-partlabel", "ID_PART_ENTRY_NAME"),
];

/// The file systems that are mounted at `root`.
pub(super) fn at_target(runner: &Runner, root: &Path) -> Vec<Mounted> {
    let sys = Path::new(SYS);
    let mut mounted: Vec<Mounted> = Vec::new();
    for mount in mounts::below(root) {
        let Some(at) = inside(&mount, root) else { continue };
        // What was mounted last hides what was there.
        mounted.retain(|before| before.at != at);
        mounted.push(Mounted {
            at,
            part: mount.part.to_string_lossy().into_owned(),
            source: mount.source.to_string_lossy().into_owned(),
            devices: of_mount(sys, &mount)
                .into_iter()
                .map(|number| device(runner, sys, number))
                .collect(),
            kind: mount.kind,
        });
    }
    mounted
}

/// The mount point in the installed system. `None` for what only the live system mounts there, which nixos-generate-config
/// (24.05, 26.11) omits too.
fn inside(mount: &Mount, root: &Path) -> Option<String> {
    let at = format!("/{}", mount.at.strip_prefix(root).ok()?.to_str()?);
    let of_live = ["/proc", "/dev", "/sys", "/run"]
        .iter()
        .any(|directory| Path::new(&at).starts_with(directory));
    (!(of_live || at == "/tmp" && mount.kind == "tmpfs")).then_some(at)
}

fn device(runner: &Runner, sys: &Path, number: String) -> Device {
    let probed = probe(runner, sys, &number).unwrap_or_default();
    let value = |key: &str| value(&probed, key).map(str::to_owned);
    let named = NAMES
        .iter()
        .filter_map(|(directory, key)| Some((*directory, value(key)?)));
    Device {
        names: named.collect(),
        partition: partition(sys, &value),
        containers: encrypted_below(sys, &number)
            .into_iter()
            .map(|below| device(runner, sys, below))
            .collect(),
        number,
    }
}

fn partition(sys: &Path, value: &impl Fn(&str) -> Option<String>) -> Option<Partition> {
    Some(Partition {
        table: value("ID_PART_ENTRY_SCHEME")?,
        kind: value("ID_PART_ENTRY_TYPE")?,
        number: value("ID_PART_ENTRY_NUMBER")?,
        disk: node(sys, &value("ID_PART_ENTRY_DISK")?)?,
    })
}

/// What `blkid` reads from the device at `path` as `key`, one of its variables for udev.
pub fn value_of(runner: &Runner, sys: &Path, path: &str, key: &str) -> Option<String> {
    let probed = probe(runner, sys, &number(path)?)?;
    value(&probed, key).map(str::to_owned)
}

fn value<'a>(probed: &'a str, key: &str) -> Option<&'a str> {
    let value = |line: &'a str| Some(line.split_once('=').filter(|(name, _)| *name == key)?.1);
    probed.lines().find_map(value)
}

/// What `blkid` reads from the device and its partition table: `KEY=VALUE` lines.
fn probe(runner: &Runner, sys: &Path, number: &str) -> Option<String> {
    let ask = Invocation::new("blkid").args(["-p", "-o", "udev"]);
    let ask = ask.arg(node(sys, number)?).quiet();
    let finished = runner.run(&ask, &mut |_, _| {}).ok()?;
    finished.text().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

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
