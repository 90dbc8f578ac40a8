//! The disks that a layout for disko is made on, as they are shown, and compared with what is there before and after.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disk_contents;
use crate::diagnostic::{Diagnostic, DiskProblem};
use crate::live::block_devices::{SYS, identity, lies_on, node, number, of_mount};
use crate::live::disk_use::{shared, swaps, uses};
use crate::live::disks;
use crate::live::mounts;
use crate::nix::disko::{MadeDisk, Mode};
use crate::process::Runner;

/// A layout to be made.
#[derive(Debug, Serialize)]
pub struct DiskoPlan {
    pub mode: Mode,
    /// The derivation of the script, in the live system's store.
    pub derivation: PathBuf,
    /// Its program.
    pub program: PathBuf,
    pub disks: Vec<PlannedDisk>,
    /// The encrypted volumes whose passphrase the script asks for.
    pub asking: Vec<String>,
    /// Whether the layout sets the system's file systems as well.
    pub sets_file_systems: bool,
    /// The mount points of file systems that are on none of the disks.
    #[serde(skip)]
    pub outside: Vec<String>,
    /// The names of the pools of ZFS.
    #[serde(skip)]
    pub pools: Vec<String>,
}

/// A disk that it is made on.
#[derive(Debug, Serialize)]
pub struct PlannedDisk {
    /// Its name in the layout.
    pub name: String,
    pub device: String,
    /// What is on it, a line a part, with its sizes and labels; empty where it has neither partitions nor file systems.
    pub holds: Vec<String>,
    pub fate: Fate,
    /// Its number. `None`: it is not there.
    #[serde(skip)]
    number: Option<String>,
    /// What tells it from another disk that gets its name.
    #[serde(skip)]
    identity: Option<String>,
}

/// What becomes of what is on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is lost.
    Erased,
    /// The disk gets what it lacks of the layout: a partition table, partitions, file systems.
    Changed,
    /// It is mounted.
    Kept,
}

impl Fate {
    /// What the scripts of disko do (1.13.0, lib/default.nix: `_destroy` omits disks without `destroy`).
    pub const fn of(mode: Mode, disk: &MadeDisk) -> Self {
        match mode {
            Mode::Wipe if disk.destroy => Self::Erased,
            Mode::Wipe | Mode::Format => Self::Changed,
            Mode::Mount => Self::Kept,
        }
    }
}

impl fmt::Display for PlannedDisk {
    /// A line that ends, and what is on the disk.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fate {
            Fate::Erased => "To be erased",
            Fate::Changed => "To be changed",
            Fate::Kept => "Used as it is",
        };
        writeln!(f, "{what}: {} (`{}` of the layout for disko)", self.device, self.name)?;
        self.holds.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl PlannedDisk {
    pub fn new(runner: &Runner, disk: MadeDisk, mode: Mode) -> Self {
        let number = number(&disk.device);
        Self {
            // What cannot be listed is erased all the same; the plan names the device.
            holds: disk_contents::of_device(runner, &disk.device),
            fate: Fate::of(mode, &disk),
            identity: number.as_deref().map(|number| identity(Path::new(SYS), number)),
            number,
            name: disk.name,
            device: disk.device,
        }
    }
}

impl DiskoPlan {
    /// The bytes of its disks: what it can have at most. `None` where one is not known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let bytes = |disk: &PlannedDisk| disks::size(&Path::new(SYS).join("dev/block").join(disk.number.as_ref()?));
        self.disks.iter().map(bytes).sum()
    }

    /// What changed on the machine since the plan was shown: other disks, disks in use.
    #[must_use]
    pub fn outdated(&self) -> Vec<Diagnostic> {
        let erased = self.disks.iter().filter(|disk| disk.fate == Fate::Erased);
        let erased: BTreeSet<String> = erased.filter_map(|disk| disk.number.clone()).collect();
        let mut problems = Vec::new();
        for disk in &self.disks {
            let device = disk.device.clone();
            let number = number(&device);
            if number.as_deref().map(|number| identity(Path::new(SYS), number)) != disk.identity {
                problems.push(DiskProblem::OtherDisk { device }.into());
            } else if self.mode != Mode::Mount
                && let Some(number) = number
                && let by = [uses(&number), shared(Path::new(SYS), &number, &erased)].concat()
                && !by.is_empty()
            {
                problems.push(DiskProblem::InUse { device, by }.into());
            }
        }
        problems
    }

    /// The problem of file systems that the script mounted at `target` from other disks than those of the layout, of swap that it
    /// started on others, and of pools that have a device there: it finds them by names. `swaps_before`: what was in use before.
    #[must_use]
    pub fn made_elsewhere(&self, runner: &Runner, target: &Path, swaps_before: &[PathBuf]) -> Option<Diagnostic> {
        let sys = Path::new(SYS);
        // As they were before: udev may be about to make the links to the disks again.
        let disks: BTreeSet<String> = self.disks.iter().filter_map(|disk| disk.number.clone()).collect();
        let is_elsewhere = |one: &String| !lies_on(sys, one, &disks);
        let shown = |number: String| node(sys, &number).unwrap_or_default().display().to_string();
        let is_outside = |at: &Path| {
            let inside = at.strip_prefix(target).unwrap_or(at);
            self.outside
                .iter()
                .any(|outside| Path::new("/").join(inside) == Path::new(outside))
        };
        let mounts = mounts::below(target).into_iter().filter(|mount| !is_outside(&mount.at));
        let mounted = mounts.flat_map(|mount| of_mount(sys, &mount));
        let swaps = swaps(Path::new("/"))
            .into_iter()
            .filter(|swap| !swaps_before.contains(swap));
        // A dataset's mount does not name its devices.
        let pools = if self.pools.is_empty() {
            Vec::new()
        } else {
            disk_contents::pools(runner)
        };
        let pools = pools.into_iter().filter(|(pool, _)| self.pools.contains(pool));
        let used = mounted
            .chain(swaps.filter_map(number))
            .chain(pools.filter_map(|(_, device)| number(device)));
        let devices = used.filter(is_elsewhere).map(shown);
        let devices: BTreeSet<String> = devices.collect();
        (!devices.is_empty()).then(|| {
            let devices = devices.into_iter().collect();
            DiskProblem::MadeElsewhere { devices }.into()
        })
    }
}
