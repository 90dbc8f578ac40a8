//! The machine is too small for what is installed.

use std::path::PathBuf;

use super::{Severity, Text, error, warning};
use crate::text::bytes;

/// What this machine has too little of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapacityProblem {
    /// `severity`: whether it is certain that the system does not fit. `target`: the mount point; absent while the largest
    /// disk is not partitioned yet. Sizes in bytes; `entries` are files and directories.
    Disk { severity: Severity, target: Option<PathBuf>, free: u64, needed: u64, entries: u64 },
    /// Building that many derivations takes `needed` bytes of the live system's memory.
    Memory { derivations: usize, free: u64, needed: u64 },
}

impl CapacityProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Disk { severity, target, free, needed, entries } => {
                let place = match target {
                    Some(target) => target.display().to_string(),
                    None => "The largest disk of this machine".to_owned(),
                };
                let problem = match severity {
                    Severity::Error => error("disk-too-small", "The system does not fit on the disk"),
                    Severity::Warning => warning("disk-small", "The system may not fit on the disk"),
                };
                let (free, needed) = (bytes(*free), bytes(*needed));
                problem
                    .because(format!("{place} has {free} for it, and it needs about {needed}, in {entries} files and directories."))
                    .remedy("Choose a larger disk or partition, or remove packages from the configuration.")
            }
            Self::Memory { derivations, free, needed } => {
                let (free, needed) = (bytes(*free), bytes(*needed));
                warning("memory-low", "Building the system may need more memory than is free")
                    .because(format!("{derivations} derivations are built in the live system's memory, which takes about {needed}. {free} are free."))
                    .remedy("Close programs, or add swap (swapon) before the installation.")
            }
        }
    }
}
