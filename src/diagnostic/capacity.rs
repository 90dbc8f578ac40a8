//! The machine is too small for what is installed.

use std::path::PathBuf;

use super::{Severity, Text, error, warning};
use crate::text::bytes;

/// What this machine has too little of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapacityProblem {
    /// `severity`: whether it is certain that the system does not fit. `target`: the mount point; absent while the largest
    /// disk is not partitioned yet. Sizes in bytes; `brought` is what the extra files take of `needed`; `entries` are files and
    /// directories.
    Disk { severity: Severity, target: Option<PathBuf>, free: u64, needed: u64, brought: u64, entries: u64 },
    /// `severity`: as for `Disk`. The boot loader's partition, whose mount point in the installed system is `at`, has `free`
    /// bytes, and the kernels and initrds of the system and its `specialisations` take `needed`: exactly, or at least.
    /// `others`: the bytes of kernels there that stay.
    BootPartition { severity: Severity, at: String, free: u64, needed: u64, exact: bool, specialisations: usize, others: u64 },
    /// Building that many derivations takes `needed` bytes of the live system's memory.
    Memory { derivations: usize, free: u64, needed: u64 },
    /// `free`: bytes of memory and swap; `least`: what the evaluation of a small system takes.
    EvaluationMemory { free: u64, least: u64 },
}

impl CapacityProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Disk { severity, target, free, needed, brought, entries } => {
                let place = match target {
                    Some(target) => format!("{} has", target.display()),
                    // The chosen one, or the largest of the machine.
                    None => "The disk has at most".to_owned(),
                };
                let problem = match severity {
                    Severity::Error => error("disk-too-small", "The system does not fit on the disk"),
                    Severity::Warning => warning("disk-small", "The system may not fit on the disk"),
                };
                let remedy = if *brought > needed - brought {
                    "Choose a larger disk or partition, or bring fewer extra files, and copy the others when the system is installed."
                } else {
                    "Choose a larger disk or partition, or remove packages from the configuration."
                };
                let of_extra_files = if *brought > 0 { format!(", {} of it for the extra files", bytes(*brought)) } else { String::new() };
                let (free, needed) = (bytes(*free), bytes(*needed));
                problem
                    .because(format!(
                        "{place} {free} for it, and it needs about {needed}, in {entries} files and directories{of_extra_files}."
                    ))
                    .remedy(remedy)
            }
            Self::BootPartition { severity, at, free, needed, exact, specialisations, others } => {
                boot_partition(*severity, at, (*free, *needed, *others), *exact, *specialisations)
            }
            Self::Memory { derivations, free, needed } => {
                let (free, needed) = (bytes(*free), bytes(*needed));
                warning("memory-low", "Building the system may need more memory than is free")
                    .because(format!("{derivations} derivations are built in the live system's memory, which takes about {needed}. {free} are free."))
                    .remedy("Close programs, or add swap (swapon) before the installation.")
            }
            Self::EvaluationMemory { free, least } => {
                let (free, least) = (bytes(*free), bytes(*least));
                warning("evaluation-memory-low", "Evaluating the configuration needs more memory than is free")
                    .because(format!("Nix takes about {least} for a small server, and more for a desktop. {free} are free, swap included; when memory runs out, the kernel kills Nix."))
                    .remedy("Close programs, or add swap (swapon) before the installation.")
            }
        }
    }
}

fn boot_partition(
    severity: Severity,
    at: &str,
    (free, needed, others): (u64, u64, u64),
    exact: bool,
    specialisations: usize,
) -> Text {
    let (problem, measure) = match severity {
        Severity::Error => (
            error("boot-partition-full", format!("The kernel and initrd do not fit on the partition at {at}")),
            if exact { "" } else { "at least " },
        ),
        Severity::Warning => (
            warning("boot-partition-small", format!("The kernel and initrd may not fit on the partition at {at}")),
            "about ",
        ),
    };
    let of_specialisations = match specialisations {
        0 => String::new(),
        1 => ", and those of its specialisation,".to_owned(),
        many => format!(", and those of its {many} specialisations,"),
    };
    let others = if others > 0 {
        format!(" Kernels and initrds of other systems there take {}.", bytes(others))
    } else {
        String::new()
    };
    let (free, needed) = (bytes(free), bytes(needed));
    problem
        .because(format!(
            "The boot loader reads them from there: those of the system{of_specialisations} take {measure}{needed}, and {free} are free.{others}"
        ))
        .remedy(format!(
            "Mount a larger partition at {at} of the target (512 MB are enough for most systems), or remove from this one what no system needs."
        ))
}
