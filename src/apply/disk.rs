//! The target's file system: whether it has room, and that it keeps up.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::diagnostic::{ApplyProblem, Diagnostic, Problem, ProgramProblem, Shortage};
use crate::live::target::Target;
use crate::nix::explain;
use crate::store::room::{Room, free};

/// After this many bytes the disk has to catch up. Otherwise a slow disk would do all its work at the end, when the progress no
/// longer moves and every estimate was wrong.
const FLUSH_EVERY: u64 = 64 << 20;

/// The target's file system, which is not let fall behind what is written to it.
pub(super) struct Disk {
    store: File,
    written: AtomicU64,
    turn: Mutex<()>,
}

impl Disk {
    pub(super) fn of(target: &Target) -> Result<Self> {
        let store = target.store();
        Ok(Self {
            store: File::open(&store).with_context(|| format!("Failed to open {}", store.display()))?,
            written: AtomicU64::new(0),
            turn: Mutex::default(),
        })
    }

    /// Counts `bytes` that were written. One worker waits for the disk while the others go on, until they would be too far
    /// ahead as well.
    pub(super) fn takes(&self, bytes: u64) -> Result<()> {
        let before = self.written.fetch_add(bytes, Ordering::Relaxed);
        if before / FLUSH_EVERY == (before + bytes) / FLUSH_EVERY {
            return Ok(());
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        nix::unistd::syncfs(&self.store).context("Failed to write to the target's disk")
    }
}

/// Writes everything to the disk of the target's store.
pub(super) fn sync(target: &Target) -> Result<()> {
    let store = target.store();
    let what = || format!("Failed to write {} to the disk", store.display());
    nix::unistd::syncfs(&File::open(&store).with_context(what)?).with_context(what)
}

fn has_errno(error: &anyhow::Error, errno: Errno) -> bool {
    error.chain().any(|cause| {
        let io = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error);
        io == Some(errno as i32) || cause.downcast_ref() == Some(&errno)
    })
}

/// Says before the first byte is written that the last would not fit at `place`, or that there would be too many files for it.
///
/// # Errors
/// [`ApplyProblem::DiskFull`].
pub(super) fn require_room(place: &Path, needed: Room) -> Result<()> {
    let free = free(place)?;
    let (bytes, entries) = (needed.bytes, needed.entries);
    if bytes > free.bytes {
        let (needed, free) = (bytes, free.bytes);
        return Err(ApplyProblem::DiskFull(Shortage::Bytes { needed, free }).into());
    }
    if entries > free.entries {
        let (needed, free) = (entries, free.entries);
        return Err(ApplyProblem::DiskFull(Shortage::Inodes { needed, free }).into());
    }
    Ok(())
}

/// A disk that filled up although there was room for the files, or that broke.
pub(super) fn explain(target: &Target, error: anyhow::Error) -> anyhow::Error {
    let is_full = |problem: &Diagnostic| {
        let explained = explain::explain(&problem.raw, None).problem;
        matches!(explained, Problem::ProgramProblem(ProgramProblem::DiskFull))
    };
    if has_errno(&error, Errno::ENOSPC) || error.downcast_ref().is_some_and(is_full) {
        let free = free(&target.store()).map_or(0, |free| free.bytes);
        let full = Diagnostic::from(ApplyProblem::DiskFull(Shortage::Unexpected { free }));
        return full.raw(format!("{error:#}")).into();
    }
    if has_errno(&error, Errno::EIO) {
        let failed = Diagnostic::from(ApplyProblem::DiskFailed);
        return failed.raw(format!("{error:#}")).into();
    }
    error
}
