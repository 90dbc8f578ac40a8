//! The target's file system: whether it has room, and that it keeps up.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::diagnostic::Diagnostic;
use crate::live::target::Target;
use crate::nix::explain;
use crate::progress::bytes;
use crate::store::room::{Room, free};

/// After so many bytes the disk has to catch up. Else a slow disk's work would all be left to the end, when nothing moves
/// any more and every estimate was wrong.
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
/// A [`Diagnostic`] `disk-full` with what is missing.
pub(super) fn require_room(place: &Path, needed: Room) -> Result<()> {
    let free = free(place)?;
    if needed.bytes > free.bytes {
        let more = bytes(needed.bytes - free.bytes);
        let (needed, free) = (bytes(needed.bytes), bytes(free.bytes));
        return Err(disk_full(format!(
            "It needs {needed}, and {free} are free: {more} more are needed."
        ))
        .into());
    }
    if needed.entries > free.entries {
        return Err(disk_full(format!(
            "The system has {} files and folders, and the file system has room for {} more (inodes).",
            needed.entries, free.entries
        ))
        .into());
    }
    Ok(())
}

fn disk_full(why: String) -> Diagnostic {
    Diagnostic::error("disk-full", "The target is too small")
        .because(why)
        .remedy("Use a larger disk or partition, or a smaller configuration, and run the same command again: it goes on from here.")
}

/// A disk that filled up although there was room for the files, or that broke.
pub(super) fn explain(target: &Target, error: anyhow::Error) -> anyhow::Error {
    let told_by_nix = |problem: &Diagnostic| explain::explain(&problem.raw, None).code == "disk-full";
    if has_errno(&error, Errno::ENOSPC) || error.downcast_ref().is_some_and(told_by_nix) {
        let left = free(&target.store()).map_or_else(|_| "nothing".to_owned(), |free| bytes(free.bytes));
        let why = format!("{left} are free, which is not enough for the next file.");
        return disk_full(why).raw(format!("{error:#}")).into();
    }
    if has_errno(&error, Errno::EIO) {
        return Diagnostic::error("disk-failed", "The target's disk does not take what is written to it")
            .because("The kernel gave an input or output error: the disk or its cable may be broken.")
            .remedy("Look at `dmesg`. When the disk is sound, the same command goes on from here.")
            .raw(format!("{error:#}"))
            .into();
    }
    error
}
