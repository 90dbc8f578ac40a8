//! Whether a file system of the configuration is the one that is mounted.

use super::mounted::{Device, Live, Mounted, Number};
use crate::nix::facts::{Disks, FileSystem};

/// What a comparison gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It is that file system.
    Same,
    /// It is another.
    Other,
    /// It cannot be known from here; the sentence says why.
    Unsure(&'static str),
}

/// File systems that are memory, the kernel's own, or on another machine: no disk of this one has them.
const NOT_ON_A_DISK: [&str; 18] = [
    "9p",
    "ceph",
    "cifs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "glusterfs",
    "nfs",
    "nfs4",
    "overlay",
    "proc",
    "ramfs",
    "smb3",
    "smbfs",
    "sysfs",
    "tmpfs",
    "vboxsf",
    "virtiofs",
];

/// Whether the configuration has the file system on a disk of this machine, as far as its type tells.
#[must_use]
pub fn on_a_disk(system: &FileSystem) -> bool {
    !NOT_ON_A_DISK.contains(&system.kind.as_str()) && !is_fuse(&system.kind) && !system.kind.contains("sshfs")
}

fn is_fuse(kind: &str) -> bool {
    kind.starts_with("fuse")
}

/// Whether it is another folder of the installed system, and no device.
#[must_use]
pub fn is_bind(system: &FileSystem) -> bool {
    system
        .options
        .iter()
        .any(|option| option == "bind" || option == "rbind")
}

/// The value of the last option of that name: it counts for mount(8).
fn option<'a>(system: &'a FileSystem, name: &str) -> Option<&'a str> {
    let value = |option: &'a String| option.strip_prefix(name)?.strip_prefix('=');
    system.options.iter().rev().find_map(value)
}

/// Compares `system`, whose device is `device`, with what is mounted in its place.
#[must_use]
pub fn compare(system: &FileSystem, device: &str, mounted: &Mounted, disks: &Disks, live: &Live) -> Match {
    if is_bind(system) {
        return bind(device, mounted, disks, live, 0);
    }
    if !on_a_disk(system) {
        return match (system.kind.as_str(), mounted.devices.is_empty()) {
            ("tmpfs" | "ramfs", false) => Match::Other,
            _ if system.kind == mounted.kind => Match::Same,
            _ => Match::Unsure("What is on another machine cannot be compared."),
        };
    }
    match same_device(device, mounted, disks, live) {
        Match::Same if system.kind != "zfs" => {}
        other => return other,
    }
    part(system, mounted)
}

/// The part of the device: a subvolume, or all of it.
fn part(system: &FileSystem, mounted: &Mounted) -> Match {
    let kind = system.kind.as_str();
    let family = |kind: &str| match kind {
        "ext2" | "ext3" => "ext4".to_owned(),
        "msdos" => "vfat".to_owned(),
        "ntfs" | "ntfs-3g" => "ntfs3".to_owned(),
        other => other.to_owned(),
    };
    let known = !kind.is_empty() && kind != "auto" && !is_fuse(&mounted.kind);
    if known && family(kind) != family(&mounted.kind) {
        return Match::Other;
    }
    let here = mounted.part.trim_matches('/');
    match option(system, "subvol") {
        Some(wanted) if wanted.trim_matches('/') == here => Match::Same,
        None if here.is_empty() => Match::Same,
        // Which one is mounted without a name is written in the file system.
        None if mounted.kind == "btrfs" => {
            Match::Unsure("The configuration names no subvolume, and what is mounted is one.")
        }
        _ => Match::Other,
    }
}

/// How many bind mounts may lie on each other.
const DEPTH: usize = 8;

/// A bind mount: the file system that has the folder, and the folder in it.
fn bind(folder: &str, mounted: &Mounted, disks: &Disks, live: &Live, depth: usize) -> Match {
    let below = |system: &&FileSystem| {
        system.at != mounted.at && std::path::Path::new(folder).starts_with(&system.at) && depth < DEPTH
    };
    let Some(holder) = disks
        .file_systems
        .iter()
        .filter(below)
        .max_by_key(|system| system.at.len())
    else {
        return Match::Unsure("The configuration does not say what the folder lies on.");
    };
    let rest = folder.strip_prefix(&holder.at).unwrap_or_default().trim_matches('/');
    let join = |base: &str| [base.trim_matches('/'), rest].join("/").trim_matches('/').to_owned();
    if is_bind(holder) {
        return bind(&join(&holder.device), mounted, disks, live, depth + 1);
    }
    match same_device(&holder.device, mounted, disks, live) {
        Match::Same => {}
        other => return other,
    }
    if mounted.part.trim_matches('/') == join(option(holder, "subvol").unwrap_or_default()) {
        Match::Same
    } else {
        Match::Other
    }
}

/// Whether the name leads to the device that is mounted.
fn same_device(name: &str, mounted: &Mounted, disks: &Disks, live: &Live) -> Match {
    if mounted.kind == "zfs" || mounted.devices.is_empty() {
        return match () {
            () if name == mounted.source => Match::Same,
            () if is_fuse(&mounted.kind) => Match::Unsure("What a driver in user space has mounted names no device."),
            () => Match::Other,
        };
    }
    // A bcachefs names all of its devices.
    let names = name.split(':').filter(|name| !name.is_empty());
    let found: Vec<Match> = names
        .map(|name| one_name(name, &mounted.devices, &live.number))
        .collect();
    if found.contains(&Match::Same) {
        return Match::Same;
    }
    if let Some(volume) = name.strip_prefix("/dev/mapper/")
        && (live.number)(name).is_none()
    {
        return opened_under_another_name(volume, mounted, disks, live);
    }
    let unsure = found.into_iter().find(|found| *found != Match::Other);
    unsure.unwrap_or_else(|| changing(name, mounted))
}

/// One device of the configuration, by any of the names that Linux has for it.
fn one_name(name: &str, devices: &[Device], number: &Number) -> Match {
    let path = path(name);
    let here = number(&path);
    if here
        .as_ref()
        .is_some_and(|here| devices.iter().any(|one| one.number == *here))
    {
        return Match::Same;
    }
    let Some((folder, value)) = path.strip_prefix("/dev/disk/").and_then(|rest| rest.split_once('/')) else {
        return Match::Other;
    };
    let is_named = devices
        .iter()
        .any(|device| device.names.get(folder).is_some_and(|own| own == value));
    match (is_named, here) {
        (true, None) => Match::Same,
        (true, Some(_)) => Match::Unsure("Two devices have that name."),
        (false, _) => Match::Other,
    }
}

/// A device by its path: `UUID=…` and its like as a link in /dev/disk (fstab(5)), in udev's encoding of the most frequent character that needs one.
#[must_use]
pub fn path(name: &str) -> String {
    let tags = [
        ("UUID=", "by-uuid"),
        ("LABEL=", "by-label"),
        ("PARTUUID=", "by-partuuid"),
        ("PARTLABEL=", "by-partlabel"),
    ];
    let tagged = tags
        .iter()
        .find_map(|(tag, folder)| Some((folder, name.strip_prefix(tag)?)));
    match tagged {
        Some((folder, value)) => format!("/dev/disk/{folder}/{}", value.trim_matches('"').replace(' ', "\\x20")),
        None => name.to_owned(),
    }
}

/// An encrypted volume that the installed system opens as `name`, and the live system under another name.
fn opened_under_another_name(name: &str, mounted: &Mounted, disks: &Disks, live: &Live) -> Match {
    let containers: Vec<Device> = mounted
        .devices
        .iter()
        .flat_map(|device| device.containers.clone())
        .collect();
    let opened = disks.luks.iter().find(|volume| volume.name == name);
    match opened {
        Some(volume) => one_name(&volume.device, &containers, &live.number),
        None if containers.is_empty() => Match::Other,
        None => {
            Match::Unsure("It is an encrypted volume, and boot.initrd.luks.devices does not open one of that name.")
        }
    }
}

/// Names that the kernel gives in the order in which it finds things: a stick that is removed changes them.
fn changing(name: &str, mounted: &Mounted) -> Match {
    let partition = |name: &str| {
        let rest = name.strip_prefix("/dev/sd")?;
        Some(
            rest.trim_start_matches(|letter: char| letter.is_ascii_lowercase())
                .to_owned(),
        )
    };
    let raid = |name: &str| name.starts_with("/dev/md") || name.starts_with("/dev/bcache");
    let may_change = match (partition(name), partition(&mounted.source)) {
        (Some(one), Some(other)) => one == other,
        _ => raid(name) && raid(&mounted.source),
    };
    if may_change {
        Match::Unsure("The kernel gives such names anew at each start.")
    } else {
        Match::Other
    }
}

/// Whether the configuration opens one of the encrypted volumes that `mounted` lies on, or there is none.
#[must_use]
pub fn is_opened(mounted: &Mounted, disks: &Disks, live: &Live) -> bool {
    let containers: Vec<Device> = mounted
        .devices
        .iter()
        .flat_map(|device| device.containers.clone())
        .collect();
    let opens =
        |volume: &crate::nix::facts::Volume| one_name(&volume.device, &containers, &live.number) != Match::Other;
    containers.is_empty() || disks.luks.iter().any(opens)
}
