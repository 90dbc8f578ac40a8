//! Whether the machine has the disks that a layout for disko names.

use std::path::Path;

use crate::diagnostic::{Diagnostic, MachineProblem};
use crate::nix::facts::{Disks, LayoutDisk};
use crate::plan::observed::Observed;

/// The warning of disks that the machine does not have: disko formats those that the layout names. A person who partitions by
/// hand can do without them.
pub(super) fn missing(disks: &Disks, observed: &Observed) -> Option<Diagnostic> {
    // An image of disko is a file, and a pool or a volume is made by the layout.
    let is_missing = |disk: &&LayoutDisk| {
        disk.device.starts_with("/dev/") && !observed.real_paths.contains_key(Path::new(&disk.device))
    };
    let missing = disks.layout.iter().filter(is_missing);
    let disks: Vec<(String, String)> = missing.map(|disk| (disk.name.clone(), disk.device.clone())).collect();
    (!disks.is_empty()).then(|| MachineProblem::LayoutDisks { disks }.into())
}
