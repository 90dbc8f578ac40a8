//! Reads store paths of the medium and compares their hashes with the database: first from the image, then as it is mounted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use squashfs_image::Reader;

use super::contents::{Mounted, Unreadable};
use super::database::{self, Record};
use super::live_image::StoreImage;
use super::nar::Archive;
use crate::diagnostic::{Damage, SupplyProblem};
use crate::files::remove;
use crate::interrupt::{Interrupt, Interrupted};
use crate::process::Runner;
use crate::progress::{Reporter, Unit};
use crate::store_path::store_name;

/// More readers than this are not faster: the kernel's squashfs has at best one decompressor per core.
const MAX_WORKERS: usize = 4;

/// Hashes the closures of `roots` in the live system's store, to verify the medium.
///
/// # Errors
/// [`SupplyProblem::Damaged`] for the first path with a wrong hash; interruption.
pub fn verify(runner: &Runner, report: &Reporter, image: Option<&StoreImage>, roots: &[&str]) -> Result<()> {
    let records = database::of_closure(runner, roots)?;
    let records: Vec<&Record> = records.iter().collect();
    let check =
        |record: &Record, archive: &mut Archive<'_>, medium: &mut PathReader<'_>| medium.read(record, archive, None);
    let total = records.iter().map(|record| record.nar_size).sum();
    report.expect_now(seconds(total));
    let items = (&*records, (0, total), &store_name as &Name<'_>);
    work(Some(report), runner.interrupt(), image, items, &|_| Ok(()), &check)
}

/// How many seconds it takes to copy this many bytes, for the proportions of the progress: about 120 MB/s (827 MB in 6.1 s from
/// squashfs to ext4).
#[allow(clippy::cast_precision_loss)] // Proportions.
pub fn seconds(bytes: u64) -> f64 {
    bytes as f64 / 120e6
}

/// The work on one record.
pub type Task<'a> = dyn Fn(&Record, &mut Archive<'_>, &mut PathReader<'_>) -> Result<()> + Sync + 'a;

/// The name that the progress shows for a store path.
pub type Name<'a> = dyn Fn(&str) -> String + Sync + 'a;

/// Runs `task` for all records, on several threads, and reports bytes to `on_bytes` and to the progress, if it is shown, which includes
/// the bytes that were copied `before`, of `total`, and names each path by `shown`. The first error ends it.
pub fn work(
    report: Option<&Reporter>,
    interrupt: &Interrupt,
    image: Option<&StoreImage>,
    (records, (before, total), shown): (&[&Record], (u64, u64), &Name<'_>),
    on_bytes: &(dyn Fn(u64) -> Result<()> + Sync),
    task: &Task<'_>,
) -> Result<()> {
    let (next, done, failed) = (
        AtomicUsize::new(0),
        AtomicU64::new(before),
        Mutex::new(None::<anyhow::Error>),
    );
    let progress = |done: u64, item: &str| {
        if let Some(report) = report {
            report.progress(done, total, Unit::Bytes, item);
        }
    };
    let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        let mut medium = PathReader::new(image);
        while let Some(record) = records.get(next.fetch_add(1, Ordering::Relaxed)) {
            let item = shown(&record.path);
            let reported = AtomicU64::new(0);
            let count = |read: u64| {
                interrupt.check()?;
                if failure().is_some() {
                    return Err(Interrupted.into());
                }
                on_bytes(read)?;
                // Read a second time, its bytes do not count again.
                let read = read.min(
                    record
                        .nar_size
                        .saturating_sub(reported.fetch_add(read, Ordering::Relaxed)),
                );
                progress(done.fetch_add(read, Ordering::Relaxed) + read, &item);
                Ok(())
            };
            let outcome = task(record, &mut Archive::new(&count), &mut medium).and_then(|()| interrupt.check());
            let counted = reported.into_inner().min(record.nar_size);
            // Names, links and headers are part of the NAR and not of the files.
            done.fetch_add(record.nar_size - counted, Ordering::Relaxed);
            if let Err(error) = outcome {
                failure().get_or_insert(error);
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS) {
            scope.spawn(worker);
        }
    });
    progress(done.into_inner(), "");
    failed
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

/// Reads store paths for one worker.
pub struct PathReader<'a> {
    image: Option<(&'a StoreImage, Reader<'a>)>,
    mounted: Mounted,
}

impl<'a> PathReader<'a> {
    pub fn new(image: Option<&'a StoreImage>) -> Self {
        Self {
            image: image.and_then(|image| Some((image, image.reader().ok()?))),
            mounted: Mounted::default(),
        }
    }

    /// Reads a path from the image. If that fails or gives a wrong hash, reads it from the mounted store, at most twice: an
    /// error that does not repeat is no damage. `staged`: where it is written.
    pub fn read(&mut self, record: &Record, archive: &mut Archive<'_>, staged: Option<&Path>) -> Result<()> {
        let size = record.nar_size;
        if let Some((image, reader)) = &mut self.image
            && let Some(node) = image.find(&record.path)
        {
            staged.map_or(Ok(()), remove)?;
            match archive.hash(reader, &node, size, staged) {
                Ok(hash) if hash == record.nar_hash => return Ok(()),
                Err(error) if error.is::<Interrupted>() => return Err(error),
                // Any other error, such as a full disk, occurs again below.
                other => log::debug!("{} from the image: {other:?}", record.path),
            }
        }
        for _ in 0..2 {
            staged.map_or(Ok(()), remove)?;
            match archive.hash(&mut self.mounted, &PathBuf::from(&record.path), size, staged) {
                Ok(hash) if hash == record.nar_hash => return Ok(()),
                // The kernel gives EIO when a block of the squashfs cannot be decompressed, and other errors for its directories.
                Err(error) if !error.is::<Unreadable>() => return Err(error),
                other => log::debug!("{}, which should be {}: {other:?}", record.path, record.nar_hash),
            }
        }
        let path = record.path.clone();
        Err(SupplyProblem::Damaged(Damage::Path { path }).into())
    }
}
