//! The disks of this machine, and the layout for disko that is to be made on them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Text, error, warning};

/// How the live system uses a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskUse {
    /// A part of it is mounted there.
    Mounted(PathBuf),
    /// Swap is on this part.
    Swap(PathBuf),
    /// Something else has this part for itself.
    Claimed(PathBuf),
    /// What is made of it is made of other disks, too.
    Shared { made: PathBuf, others: Vec<PathBuf> },
}

impl fmt::Display for DiskUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted(at) => write!(f, "mounted at {}", at.display()),
            Self::Swap(device) => write!(f, "swap on {}", device.display()),
            Self::Claimed(device) => write!(f, "{} (held by LVM, a RAID, an encrypted volume, a pool of ZFS or a program)", device.display()),
            Self::Shared { made, others } => write!(f, "{}, which is also on {}", made.display(), paths(others)),
        }
    }
}

/// What is wrong with them.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum DiskProblem {
    /// The machine has no such device, or it is no disk; by its name in the layout.
    NoDisk { name: String, device: String },
    /// Several disks of the layout are one of the machine's.
    SameDisk { names: Vec<String>, device: String },
    /// It is in use.
    InUse { device: String, by: Vec<DiskUse> },
    /// The disk is to be erased, and disko only does that to whole disks; by its name in the layout.
    NotWhole { name: String, device: String },
    /// It is a mapping, which gets no partitions.
    Mapping { device: PathBuf },
    /// A disk that is not erased is to get a partition table where it holds something of this `kind`.
    NoTable { device: String, kind: String },
    /// Names by which the layout finds its parts are those of other devices.
    NamesElsewhere { names: Vec<(String, PathBuf)> },
    /// A volume group on a disk that is erased has other devices.
    SharedGroup { group: String, devices: Vec<PathBuf> },
    /// The script opens an encrypted volume that it did not make, without asking for the passphrase.
    ClosedVolume { name: String, device: String },
    /// Since the disks were shown, another one got this name.
    OtherDisk { device: String },
    /// The script mounted devices that are not on the disks of the layout, or started swap on them.
    MadeElsewhere { devices: Vec<String> },
    /// Whoever evaluates the installed configuration finds another disk in the layout; by its name there.
    NotTaken { names: Vec<String>, hardware: PathBuf },
    /// The same, and GRUB is installed on disks that were not chosen.
    GrubElsewhere { names: Vec<String>, hardware: PathBuf, grub: Vec<String> },
}

impl DiskProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoDisk { name, device } => error("disko-disk-absent", format!("This machine has no disk {device}"))
                .because(format!("The layout for disko has it as `{name}`."))
                .remedy(format!("Name the disk: --disk {name}=DEVICE (`ls -l /dev/disk/by-id` lists them).")),
            Self::SameDisk { names, device } => error("disko-disk-twice", format!("{device} is several disks of the layout for disko"))
                .because(format!("It is: {}.", names.join(", ")))
                .remedy("Name another disk for each but one: --disk NAME=DEVICE."),
            Self::InUse { device, by } => error("disko-disk-in-use", format!("The disk {device} is in use"))
                .because(format!("In use: {}.", list(by)))
                .remedy("Is it the right disk? If so, release it first: `umount`, `swapoff`, `vgchange -an`, `mdadm --stop --scan`, `cryptsetup close`, `zpool export`."),
            Self::NotWhole { name, device } => error("disko-disk-not-whole", format!("{device} is not a whole disk, so disko does not erase it"))
                .because(format!("It is a partition, an array or a mapping. The layout for disko has it as `{name}`."))
                .remedy(format!("Name a whole disk. Or erase it yourself (`wipefs -a {device}`), and use --disko format.")),
            Self::Mapping { device } => error("disk-mapping", format!("{} is no disk, but a mapping", device.display()))
                .because("It is a logical volume, one of several paths to a disk, or an encrypted volume. Linux makes no devices for partitions on it.")
                .remedy("Name a disk of its own."),
            Self::NoTable { device, kind } => error("disko-no-table", format!("{device} has no partition table, and is {kind}"))
                .because("disko would write a partition table over it.")
                .remedy(format!("Name another disk. Or, if its contents can go, erase it yourself: `wipefs -a {device}`")),
            Self::NamesElsewhere { names } => error("disko-names-elsewhere", "Another disk has what the layout finds by its name")
                .because(format!("It is not one of the disks to install on: {}. That could be used in place of what is made.", named(names)))
                .remedy("Disconnect that disk, or close what is open on it (`cryptsetup close`, `zpool export`). If it is the one to install on, choose it: --disk NAME=DEVICE"),
            Self::SharedGroup { group, devices } => error("disko-shared-group", format!("The volume group `{group}` is also on a disk that stays: {}", paths(devices)))
                .because("With the other disk, the whole group would be lost.")
                .remedy(format!("Take the disk to be erased out of it first (`pvmove`, `vgreduce {group}`). Or choose another disk.")),
            Self::ClosedVolume { name, device } => error("disko-volume-closed", format!("The encrypted volume `{name}` is there, and closed"))
                .because("Unless it makes the volume, disko does not ask for its passphrase before it opens it.")
                .remedy(format!("Open it first: cryptsetup open {device} {name}")),
            Self::OtherDisk { device } => error("disko-other-disk", format!("{device} is another disk now"))
                .because("It changed after the list of what will be lost was made.")
                .remedy("Run the command again."),
            Self::MadeElsewhere { devices } => error("disko-made-elsewhere", format!("disko mounted what is on none of the chosen disks: {}", devices.join(", ")))
                .because("It finds partitions, volume groups and pools by their names, and another disk has the same. Nothing was installed; what it mounted was unmounted.")
                .remedy("Disconnect that disk, and run the command again."),
            Self::NotTaken { names, hardware } => warning("disko-disk-not-taken", not_taken(names))
                .because(format!("{} Its file systems are found by their partitions.", not_imported(hardware)))
                .remedy(import(hardware)),
            Self::GrubElsewhere { names, hardware, grub } => error("disko-grub-elsewhere", not_taken(names))
                .because(format!("{} GRUB would be installed on {}.", not_imported(hardware), grub.join(", ")))
                .remedy(import(hardware)),
        }
    }
}

fn not_taken(names: &[String]) -> String {
    format!("The installed configuration does not get the disks that were chosen: {}", names.join(", "))
}

fn not_imported(hardware: &Path) -> String {
    format!("It does not import {}, beside which they are written down.", hardware.display())
}

fn import(hardware: &Path) -> String {
    format!("Import ./{} in the configuration, or change `device` in its layout.", hardware.display())
}

fn list(uses: &[DiskUse]) -> String {
    let uses: Vec<String> = uses.iter().map(DiskUse::to_string).collect();
    uses.join(", ")
}

fn named(names: &[(String, PathBuf)]) -> String {
    let names: Vec<String> = names.iter().map(|(name, device)| format!("`{name}` is {}", device.display())).collect();
    names.join(", ")
}

fn paths(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
