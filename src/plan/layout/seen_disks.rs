//! What the live system has of a layout for disko.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::disk_contents::pools;
use super::planned_disks::Fate;
use crate::diagnostic::DiskUse;
use crate::live::block_devices::{SYS, all, is_partition, lies_on, members, node, number, partition_name};
use crate::live::disk_use::{shared, uses};
use crate::live::encrypted_volume::MAPPINGS;
use crate::live::mounts;
use crate::live::volume_groups;
use crate::nix::disko::{Layout, MadeDisk, Mode, Names};
use crate::plan::observed::value_of;
use crate::process::Runner;

/// What is there.
#[derive(Default)]
pub struct Seen {
    /// The disks of the layout that are there, by their names in it.
    pub disks: BTreeMap<String, SeenDisk>,
    /// What has a name by which the layout finds its parts, and is on none of its disks: the name, and the device.
    pub elsewhere: BTreeSet<(String, PathBuf)>,
    /// The volume groups that are on a disk to be erased and on one that is not, with the devices on the latter.
    pub shared: BTreeMap<String, Vec<PathBuf>>,
    /// The names and devices of the encrypted volumes that are there and closed, and that the script does not make anew.
    pub closed: Vec<(String, String)>,
    /// The key files that are not there.
    pub no_keys: Vec<String>,
    pub target_mounted: bool,
}

/// A disk.
#[derive(Default)]
pub struct SeenDisk {
    pub uses: Vec<DiskUse>,
    /// Whether it is a disk of its own, and not a partition, an array or a mapping.
    pub is_whole: bool,
    /// The names of the layout's other disks that it is on.
    pub on: Vec<String>,
    /// What it holds where a partition table would be: `crypto_LUKS`.
    pub bare: Option<String>,
}

impl Seen {
    pub fn look(runner: &Runner, layout: &Layout, mode: Mode, target: &Path) -> Self {
        let sys = Path::new(SYS);
        let there = layout.disks.iter();
        let there: Vec<(&MadeDisk, String)> = there.filter_map(|disk| Some((disk, number(&disk.device)?))).collect();
        let chosen: BTreeSet<String> = there.iter().map(|(_, number)| number.clone()).collect();
        let erased = there.iter().filter(|(disk, _)| Fate::of(mode, disk) == Fate::Erased);
        let erased: BTreeSet<String> = erased.map(|(_, number)| number.clone()).collect();
        let on = |device: &Path, disks: &BTreeSet<String>| number(device).map(|one| lies_on(sys, &one, disks));
        let asks_for_groups = !(layout.names.groups.is_empty() && erased.is_empty());
        let groups = if asks_for_groups {
            volume_groups::read(runner)
        } else {
            Vec::new()
        };
        let named = named(runner, sys, &layout.names, &groups).into_iter();
        let closed = layout.asking.iter().filter(|volume| {
            mode != Mode::Mount
                && on(Path::new(&volume.device), &erased) == Some(false)
                && !Path::new(MAPPINGS).join(&volume.name).exists()
                && value_of(runner, sys, &volume.device, "ID_FS_TYPE").is_some_and(|kind| kind == "crypto_LUKS")
        });
        let absent = |file: &&String| !fs::exists(file).unwrap_or(false);
        Self {
            disks: there
                .iter()
                .map(|one| (one.0.name.clone(), disk((runner, sys), one, &there, &erased)))
                .collect(),
            elsewhere: named.filter(|(_, device)| on(device, &chosen) == Some(false)).collect(),
            shared: volume_groups::shared(sys, &groups, &erased),
            closed: closed
                .map(|volume| (volume.name.clone(), volume.device.clone()))
                .collect(),
            no_keys: layout.key_files.iter().filter(absent).cloned().collect(),
            target_mounted: mounts::at(target).is_some(),
        }
    }
}

fn disk(
    (runner, sys): (&Runner, &Path),
    (disk, number): &(&MadeDisk, String),
    all: &[(&MadeDisk, String)],
    erased: &BTreeSet<String>,
) -> SeenDisk {
    let others = all.iter().filter(|(other, _)| other.name != disk.name);
    let below = others.filter(|(_, other)| lies_on(sys, number, &BTreeSet::from([other.clone()])));
    let value = |key| value_of(runner, sys, &disk.device, key);
    SeenDisk {
        uses: [uses(number), shared(sys, number, erased)].concat(),
        is_whole: !is_partition(sys, number) && members(sys, number).is_empty(),
        on: below.map(|(other, _)| other.name.clone()).collect(),
        bare: value("ID_FS_TYPE").filter(|_| value("ID_PART_TABLE_TYPE").is_none()),
    }
}

/// All that has a name by which the layout finds its parts: the name, and the device.
fn named(runner: &Runner, sys: &Path, names: &Names, groups: &[(PathBuf, String)]) -> Vec<(String, PathBuf)> {
    // Of several partitions with one name, udev links one: all are looked at below.
    let paths = names
        .paths
        .iter()
        .filter(|path| !path.starts_with("/dev/disk/by-partlabel/"));
    let paths = paths.filter_map(|path| Some((path.clone(), node(sys, &number(path)?)?)));
    let partitions = all(sys)
        .into_iter()
        .filter_map(|one| Some((partition_name(sys, &one)?, node(sys, &one)?)));
    let partitions = partitions.filter(|(name, _)| names.partitions.contains(name));
    let groups = groups.iter().filter(|(_, group)| names.groups.contains(group));
    let groups = groups.map(|(device, group)| (group.clone(), device.clone()));
    let pools = if names.pools.is_empty() {
        Vec::new()
    } else {
        pools(runner)
    };
    let pools = pools.into_iter().filter(|(pool, _)| names.pools.contains(pool));
    paths.chain(partitions).chain(groups).chain(pools).collect()
}
