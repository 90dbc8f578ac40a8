//! Whether the system fits on the disk, and can be built in the live system's memory.

use crate::diagnostic::{CapacityProblem, Diagnostic, Severity};
use crate::plan::observed::DiskSpace;
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
        space.needed / whole * part
    };
    let problem = |severity| CapacityProblem::Disk {
        severity,
        target: space.target.clone(),
        free: space.free,
        needed: space.needed,
        entries: space.entries,
    };
    if space.free < certain {
        Some(problem(Severity::Error).into())
    } else {
        (space.free < space.needed).then(|| problem(Severity::Warning).into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_certainly_does_not_fit_is_refused() {
        let codes = |free, exact| {
            let space = DiskSpace {
                target: None,
                free,
                needed: 4000,
                entries: 1,
            };
            disk(&space, exact).map(|problem| problem.code)
        };
        assert_eq!(codes(4000, true), None);
        assert_eq!(codes(3999, true), Some("disk-too-small"));
        // A quarter may only be used to build.
        assert_eq!(codes(3000, false), Some("disk-small"));
        assert_eq!(codes(2999, false), Some("disk-too-small"));
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
