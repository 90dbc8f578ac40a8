//! Whether the system fits on the disk, and can be built in the live system's memory.

use crate::diagnostic::{CapacityProblem, Diagnostic, ProgramProblem, Severity};
use crate::memory::Memory;
use crate::plan::observed::{BootPartition, DiskSpace};
use crate::store::closure::Work;

/// The part of what may have to be copied that certainly is: the rest is only used to build.
const CERTAINLY_COPIED: (u64, u64) = (3, 4);

/// The problem of a disk that is too small. `exact`: there is nothing to build. Otherwise some of `space.needed` is only used
/// to build, and what is built is not part of it.
pub fn disk(space: &DiskSpace, exact: bool) -> Option<Diagnostic> {
    let (part, whole) = CERTAINLY_COPIED;
    let certain = if exact {
        space.needed
    } else {
        (space.needed - space.brought) / whole * part + space.brought
    };
    let problem = |severity| CapacityProblem::Disk {
        severity,
        target: space.target.clone(),
        free: space.free,
        needed: space.needed,
        brought: space.brought,
        entries: space.entries,
    };
    if space.free < certain {
        Some(problem(Severity::Error).into())
    } else {
        (space.free < space.needed).then(|| problem(Severity::Warning).into())
    }
}

/// The problem of a partition of the boot loader that cannot be written.
pub(super) fn read_only(partition: &BootPartition) -> Option<Diagnostic> {
    let path = partition.read_only.as_ref()?.display().to_string();
    Some(ProgramProblem::ReadOnly { path: Some(path) }.into())
}

/// The problem of a partition of the boot loader that is too small for the kernels and initrds of the system and its
/// `specialisations`.
pub(super) fn boot_partition(partition: &BootPartition, specialisations: usize) -> Option<Diagnostic> {
    let BootPartition {
        free, removed, needed, ..
    } = partition;
    // Nothing is removed that a generation of the target needs.
    let most = free + removed;
    let likely = if partition.has_generations { *free } else { most };
    let problem = |severity, free, needed| CapacityProblem::BootPartition {
        severity,
        at: partition.at.clone(),
        free,
        needed,
        exact: partition.needed.least == partition.needed.likely,
        specialisations,
        others: partition.others,
    };
    if most < needed.least {
        Some(problem(Severity::Error, most, needed.least).into())
    } else {
        (likely < needed.likely).then(|| problem(Severity::Warning, likely, needed.likely).into())
    }
}

/// The bytes that building a derivation of text and configuration takes, and an initrd, at most (a server's of nixpkgs 26.11
/// has 22 MB).
const BYTES_PER_DERIVATION: u64 = 1 << 20;
const BYTES_PER_INITRD: u64 = 150 << 20;

/// The problem of too little memory to build the derivations of `work`; `free` is in bytes.
pub fn memory(work: &Work, free: u64) -> Option<Diagnostic> {
    let derivations = work.build.len();
    let needed = BYTES_PER_DERIVATION * derivations as u64 + BYTES_PER_INITRD * work.initrds as u64;
    let problem = || CapacityProblem::Memory {
        derivations,
        free,
        needed,
    };
    (derivations > 0 && free < needed).then(|| problem().into())
}

/// The bytes that Nix takes to evaluate a small server: 539 MB (24.05) and 554 MB (26.11) with Nix 2.34; with GNOME 664 MB.
const BYTES_PER_EVALUATION: u64 = 550_000_000;

/// The warning that an evaluation of any NixOS needs more memory than is free.
pub fn evaluation(memory: &Memory) -> Option<Diagnostic> {
    let (free, least) = (memory.available + memory.swap_free, BYTES_PER_EVALUATION);
    (free < least).then(|| CapacityProblem::EvaluationMemory { free, least }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::observed::Size;

    #[test]
    fn kernels_that_certainly_do_not_fit_on_the_partition_of_the_boot_loader_are_refused() {
        let found = |free, removed, has_generations, (least, likely)| {
            let partition = BootPartition {
                at: "/boot".into(),
                free,
                removed,
                has_generations,
                needed: Size { least, likely },
                read_only: None,
                others: 0,
            };
            boot_partition(&partition, 2).map(|problem| (problem.code, problem.why))
        };
        let code = |free, removed, has_generations, needed| {
            found(free, removed, has_generations, needed).map_or("", |(code, _)| code)
        };
        let exact = (60, 60);
        assert_eq!(code(60, 0, false, exact), "");
        assert_eq!(code(59, 0, false, exact), "boot-partition-full");
        // The installer of the boot loader removes old kernels, unless a generation needs them.
        assert_eq!(code(50, 10, false, exact), "");
        assert_eq!(code(50, 10, true, exact), "boot-partition-small");
        assert_eq!(code(50, 9, true, exact), "boot-partition-full");
        // An initrd that has to be built.
        assert_eq!(code(60, 0, false, (40, 60)), "");
        assert_eq!(code(59, 0, false, (40, 60)), "boot-partition-small");
        assert_eq!(code(39, 0, false, (40, 60)), "boot-partition-full");
        let (_, why) = found(60_000_000, 0, false, (85_000_000, 90_000_000)).unwrap();
        assert!(
            why.ends_with("of its 2 specialisations, take at least 85.0 MB, and 60.0 MB are free."),
            "{why}"
        );
    }

    #[test]
    fn a_system_that_certainly_does_not_fit_is_refused() {
        let found = |free, exact, brought| {
            let space = DiskSpace {
                target: None,
                free,
                needed: 4000 + brought,
                brought,
                entries: 1,
            };
            disk(&space, exact)
        };
        let codes = |free, exact| found(free, exact, 0).map(|problem| problem.code);
        assert_eq!(codes(4000, true), None);
        assert_eq!(codes(3999, true), Some("disk-too-small"));
        // A quarter may only be used to build.
        assert_eq!(codes(3000, false), Some("disk-small"));
        assert_eq!(codes(2999, false), Some("disk-too-small"));
        // All of the extra files are copied. They are named where they are most of it.
        assert_eq!(found(3500, false, 500).unwrap().code, "disk-small");
        let few = found(3499, false, 500).unwrap();
        assert_eq!(few.code, "disk-too-small");
        assert!(
            few.why.contains("of it for the extra files") && !few.remedy.contains("extra files"),
            "{few:?}"
        );
        let many = found(7000, true, 5000).unwrap();
        assert!(many.remedy.contains("bring fewer extra files"), "{many:?}");
    }

    #[test]
    fn swap_counts_as_memory_for_an_evaluation() {
        let is_low = |available, swap_free| {
            let memory = Memory {
                available,
                swap_free,
                ..Memory::default()
            };
            evaluation(&memory).is_some()
        };
        assert!(is_low(500_000_000, 0) && !is_low(500_000_000, 50_000_000) && !is_low(600_000_000, 0));
    }

    #[test]
    fn an_initrd_needs_more_memory_than_other_derivations() {
        let work = |build: usize, initrds| Work {
            build: vec!["a".to_owned(); build],
            initrds,
            ..Work::default()
        };
        let is_low = |work: Work, free_mb: u64| memory(&work, free_mb << 20).is_some();
        assert!(!is_low(work(0, 0), 0));
        assert!(!is_low(work(20, 0), 20));
        assert!(is_low(work(20, 0), 19));
        assert!(is_low(work(20, 1), 169));
        assert!(!is_low(work(20, 1), 170));
    }
}
