//! Whether a file system of the configuration is the one that is mounted.

use crate::diagnostic::Doubt;
use crate::live::fstab::is_bind;
use crate::nix::facts::{Disks, FileSystem, Volume};
use crate::plan::observed::{Device, Mounted, Observed, device_path};

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    Same,
    Other,
    Unsure(Doubt),
}

/// Types of file systems that are on no disk of this machine: in memory, the kernel's own, or on another machine.
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

/// Whether the file system is on a disk of this machine, judged by its type.
pub fn on_a_disk(system: &FileSystem) -> bool {
    !NOT_ON_A_DISK.contains(&system.kind.as_str()) && !is_fuse(&system.kind) && !system.kind.contains("sshfs")
}

fn is_fuse(kind: &str) -> bool {
    kind.starts_with("fuse")
}

/// The value of the last option of that name, which mount(8) uses.
fn option<'a>(system: &'a FileSystem, name: &str) -> Option<&'a str> {
    let value = |option: &'a String| option.strip_prefix(name)?.strip_prefix('=');
    system.options.iter().rev().find_map(value)
}

/// Compares `system` with what is mounted at its mount point.
pub(super) fn compare(system: &FileSystem, mounted: &Mounted, disks: &Disks, observed: &Observed) -> Match {
    if is_bind(system) {
        return bind(&system.device, mounted, disks, observed, 0);
    }
    if !on_a_disk(system) {
        return match (system.kind.as_str(), mounted.devices.is_empty()) {
            ("tmpfs" | "ramfs", false) => Match::Other,
            _ if system.kind == mounted.kind => Match::Same,
            _ => Match::Unsure(Doubt::OtherMachine),
        };
    }
    match same_device(&system.device, mounted, disks, observed) {
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
        // Which one is mounted without a name is stored in the file system.
        None if mounted.kind == "btrfs" => Match::Unsure(Doubt::NoSubvolume),
        _ => Match::Other,
    }
}

/// How many bind mounts are followed from one to the next.
const DEPTH: usize = 8;

/// Compares a bind mount of `directory`: the file system that holds it, and its path in that.
fn bind(directory: &str, mounted: &Mounted, disks: &Disks, observed: &Observed, depth: usize) -> Match {
    let below = |system: &&FileSystem| {
        system.at != mounted.at && std::path::Path::new(directory).starts_with(&system.at) && depth < DEPTH
    };
    let Some(holder) = disks
        .file_systems
        .iter()
        .filter(below)
        .max_by_key(|system| system.at.len())
    else {
        return Match::Unsure(Doubt::NoHolder);
    };
    let rest = directory.strip_prefix(&holder.at).unwrap_or_default().trim_matches('/');
    let join = |base: &str| [base.trim_matches('/'), rest].join("/").trim_matches('/').to_owned();
    if is_bind(holder) {
        return bind(
            &format!("/{}", join(&holder.device)),
            mounted,
            disks,
            observed,
            depth + 1,
        );
    }
    match same_device(&holder.device, mounted, disks, observed) {
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
fn same_device(name: &str, mounted: &Mounted, disks: &Disks, observed: &Observed) -> Match {
    if mounted.kind == "zfs" || mounted.devices.is_empty() {
        return if name == mounted.source {
            Match::Same
        } else if is_fuse(&mounted.kind) {
            Match::Unsure(Doubt::UserSpaceDriver)
        } else {
            Match::Other
        };
    }
    // A bcachefs names all of its devices.
    let names = name.split(':').filter(|name| !name.is_empty());
    let found: Vec<Match> = names.map(|name| one_name(name, &mounted.devices, observed)).collect();
    if found.contains(&Match::Same) {
        return Match::Same;
    }
    if let Some(volume) = name.strip_prefix("/dev/mapper/")
        && !observed.devices.contains_key(name)
    {
        return opened_under_another_name(volume, mounted, disks, observed);
    }
    let unsure = found.into_iter().find(|found| *found != Match::Other);
    unsure.unwrap_or_else(|| kernel_name(name, mounted))
}

/// Compares one device name of the configuration, of any form that Linux has.
fn one_name(name: &str, devices: &[Device], observed: &Observed) -> Match {
    let path = device_path(name);
    let here = observed.devices.get(&path);
    if here.is_some_and(|here| devices.iter().any(|one| one.number == *here)) {
        return Match::Same;
    }
    let Some((directory, value)) = path.strip_prefix("/dev/disk/").and_then(|rest| rest.split_once('/')) else {
        return Match::Other;
    };
    let is_named = devices
        .iter()
        .any(|device| device.names.get(directory).is_some_and(|own| own == value));
    match (is_named, here) {
        (true, None) => Match::Same,
        (true, Some(_)) => Match::Unsure(Doubt::NameTwice),
        (false, _) => Match::Other,
    }
}

/// Compares an encrypted volume that the installed system opens as `name`, and the live system under another name.
fn opened_under_another_name(name: &str, mounted: &Mounted, disks: &Disks, observed: &Observed) -> Match {
    let containers = containers(mounted);
    let opened = disks.luks.iter().find(|volume| volume.name == name);
    match opened {
        Some(volume) => one_name(&volume.device, &containers, observed),
        None if containers.is_empty() => Match::Other,
        None => Match::Unsure(Doubt::VolumeUnknown),
    }
}

/// Compares names that the kernel assigns in the order in which it finds devices: removing a stick changes them.
fn kernel_name(name: &str, mounted: &Mounted) -> Match {
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
        Match::Unsure(Doubt::UnstableName)
    } else {
        Match::Other
    }
}

/// Whether the configuration opens one of the encrypted volumes that `mounted` is on, or there is none.
pub(super) fn is_opened(mounted: &Mounted, disks: &Disks, observed: &Observed) -> bool {
    let containers = containers(mounted);
    let opens = |volume: &Volume| one_name(&volume.device, &containers, observed) != Match::Other;
    containers.is_empty() || disks.luks.iter().any(opens)
}

/// The devices that contain the encrypted volumes of `mounted`.
fn containers(mounted: &Mounted) -> Vec<Device> {
    let all = mounted.devices.iter().flat_map(|device| &device.containers);
    all.cloned().collect()
}
