//! The target's file system: whether it has room, and that it keeps up.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::statvfs::{Statvfs, statvfs};
use walkdir::WalkDir;

use super::target::Target;
use crate::report::{Problem, bytes};
use crate::store::database::Record;
use crate::store::image::Image;

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

/// Says before the first byte is written that the last would not fit at `place`. `needed` is in bytes.
///
/// # Errors
/// A [`Problem`] `disk-full` with what is missing.
pub(super) fn require_space(place: &Path, needed: u64) -> Result<()> {
    let free = free_bytes(place)?;
    if needed <= free {
        return Ok(());
    }
    let (needed, free, more) = (bytes(needed), bytes(free), bytes(needed - free));
    Err(disk_full(format!(
        "It needs {needed}, and {free} are free: {more} more are needed."
    ))
    .into())
}

/// The same for files, on a file system that has a fixed number of them. They are counted only where there might be more
/// than that: looking at every file of a medium takes seconds.
pub(super) fn require_inodes(target: &Target, image: Option<&Image>, records: &[&Record]) -> Result<()> {
    let fs = file_system(&target.store())?;
    if fs.files() == 0 {
        return Ok(());
    }
    let entries = |record: &&Record| WalkDir::new(&record.path).into_iter().count() as u64;
    if let Some(image) = image {
        let outside = records.iter().filter(|record| image.find(&record.path).is_none());
        if image.inodes() + outside.map(entries).sum::<u64>() <= fs.files_free() {
            return Ok(());
        }
    }
    let needed: u64 = records.iter().map(entries).sum();
    if needed <= fs.files_free() {
        return Ok(());
    }
    Err(disk_full(format!(
        "The system has {needed} files and folders, and the file system has room for {} more (inodes).",
        fs.files_free()
    ))
    .into())
}

/// What is free at `place`, which need not be there yet: the store of a target can be on another disk than its root.
pub(super) fn free_bytes(place: &Path) -> Result<u64> {
    let fs = file_system(place)?;
    Ok(fs.blocks_available() * fs.fragment_size())
}

fn file_system(place: &Path) -> Result<Statvfs> {
    let there = place.ancestors().find(|folder| folder.exists()).unwrap_or(place);
    statvfs(there).with_context(|| format!("Failed to look at the file system of {}", there.display()))
}

fn disk_full(why: String) -> Problem {
    Problem::error("disk-full", "The target is too small")
        .because(why)
        .remedy("Use a larger disk or partition, or a smaller configuration, and run the same command again: it goes on from here.")
}

/// A disk that filled up although there was room for the bytes (many small files need more blocks), or that broke.
pub(super) fn explain(target: &Target, error: anyhow::Error) -> anyhow::Error {
    if has_errno(&error, Errno::ENOSPC) {
        let left = free_bytes(&target.store()).map_or_else(|_| "nothing".to_owned(), bytes);
        let why = format!("{left} are free, which is not enough for the next file.");
        return disk_full(why).raw(format!("{error:#}")).into();
    }
    if has_errno(&error, Errno::EIO) {
        return Problem::error("disk-failed", "The target's disk does not take what is written to it")
            .because("The kernel gave an input or output error: the disk or its cable may be broken.")
            .remedy("Look at `dmesg`. When the disk is sound, the same command goes on from here.")
            .raw(format!("{error:#}"))
            .into();
    }
    error
}
