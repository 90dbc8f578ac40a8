//! The closure into the target's store: each file read once, hashed and written from the same buffer, each path published
//! under its name only when its NAR hash is the database's, all of it registered at once.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use walkdir::WalkDir;

use super::build::track;
use super::target::Target;
use crate::interrupt::{Interrupt, Interrupted};
use crate::nix::activity::store_name;
use crate::nix::command::{Invocation, Runner};
use crate::report::{Phase, Problem, Report, Unit, bytes};
use crate::store::database::{self, Record};
use crate::store::image::{Image, Reader};
use crate::store::nar::{Archive, Mounted, Unreadable};

/// More readers than this gain nothing: the squashfs that they read from has one decompressor a core at best.
const MAX_WORKERS: usize = 4;

/// Paths of so many bytes come first, the largest of them before the others: the last worker then has little left to do.
const LARGE: u64 = 32 << 20;

/// After so many bytes the disk has to catch up. Else a slow disk's work would all be left to the end, when nothing moves
/// any more and every estimate was wrong.
const FLUSH_EVERY: u64 = 64 << 20;

/// Copies the closures of `roots` into the target's store. What is valid there is not copied again; what is there and not
/// valid (an earlier run was cut off) is hashed, and kept if it is right. `image` is what the live store is mounted from,
/// where it can be read.
///
/// # Errors
/// A [`Problem`]: the target is too small, or the medium is damaged; what Nix says, explained; interruption.
pub fn copy(runner: &Runner, report: &Report, target: &Target, image: Option<&Image>, roots: &[&str]) -> Result<()> {
    let records = database::of_closure(runner, roots)?;
    let invalid = invalid(runner, target, &records)?;
    let records: Vec<&Record> = records.iter().filter(|record| invalid.contains(&record.path)).collect();
    require_space(target, records.iter().map(|record| record.nar_size).sum())?;
    require_inodes(target, &records)?;
    let by_nix = content_addressed(runner, &records)?;
    if !by_nix.is_empty() {
        copy_with_nix(runner, target, &by_nix)?;
    }
    let mut own: Vec<&Record> = records
        .into_iter()
        .filter(|record| !by_nix.contains(&record.path.as_str()))
        .collect();
    // Then in the order in which they lie on the medium, where neighbours share blocks.
    let large = |record: &Record| Reverse(if record.nar_size < LARGE { 0 } else { record.nar_size });
    own.sort_by(|a, b| (large(a), &a.path).cmp(&(large(b), &b.path)));
    let staging = target.store_staging();
    remove(&staging)?;
    fs::create_dir_all(&staging).with_context(|| format!("Failed to make {}", staging.display()))?;
    let disk = Disk::of(target)?;
    let job =
        |record: &Record, archive: &mut Archive<'_>, medium: &mut Medium<'_>| publish(target, record, archive, medium);
    work(
        report,
        runner.interrupt(),
        image,
        &own,
        &|bytes| disk.takes(bytes),
        &job,
    )
    .and_then(|()| remove(&staging))
    .and_then(|()| register(runner, target, &own))
    .map_err(|error| explain(target, error))
}

/// Hashes the closures of `roots` in the live system's store, to find out whether the medium can be read.
///
/// # Errors
/// A [`Problem`] `medium-damaged` for the first path that is not as it should be; interruption.
pub fn verify(runner: &Runner, report: &Report, image: Option<&Image>, roots: &[&str]) -> Result<()> {
    let records = database::of_closure(runner, roots)?;
    let records: Vec<&Record> = records.iter().collect();
    let check =
        |record: &Record, archive: &mut Archive<'_>, medium: &mut Medium<'_>| medium.read(record, archive, None);
    work(report, runner.interrupt(), image, &records, &|_| Ok(()), &check)
}

/// The bytes of the closures of `roots` in the live system's store.
///
/// # Errors
/// When Nix does not tell.
pub fn closure_size(runner: &Runner, roots: &[&str]) -> Result<u64> {
    Ok(database::of_closure(runner, roots)?
        .iter()
        .map(|record| record.nar_size)
        .sum())
}

fn ask(program: &str, what: &[&str], paths: &[&str]) -> Invocation {
    Invocation::new(program)
        .args(what.iter().copied())
        .args(paths.iter().copied())
        .quiet()
        .long()
}

/// Those that are not valid in the target's store. Asking makes its folders and database, too.
fn invalid(runner: &Runner, target: &Target, records: &[Record]) -> Result<BTreeSet<String>> {
    let paths: Vec<&str> = records.iter().map(|record| record.path.as_str()).collect();
    let what = ["--check-validity", "--print-invalid", "--store"];
    let root = target.root().to_str().context("The target's path is not UTF-8")?;
    let answer = runner.output(&ask("nix-store", &[&what[..], &[root]].concat(), &paths))?;
    Ok(answer.lines().map(str::to_owned).collect())
}

/// The paths whose record has more than [`Record`] can carry: a content address or signatures. On an ISO that are only
/// those that were added since it was booted; Nix copies them.
fn content_addressed<'a>(runner: &Runner, records: &[&'a Record]) -> Result<Vec<&'a str>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<&str> = records.iter().map(|record| record.path.as_str()).collect();
    let told = runner.output(&ask("nix", &["path-info", "--sigs"], &paths))?;
    let plain: BTreeSet<&str> = told
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let path = words.next()?;
            words.all(|word| word == "ultimate").then_some(path)
        })
        .collect();
    Ok(paths.into_iter().filter(|path| !plain.contains(path)).collect())
}

fn copy_with_nix(runner: &Runner, target: &Target, paths: &[&str]) -> Result<()> {
    let invocation = Invocation::new("nix")
        .args(["copy", "--no-check-sigs", "--log-format", "internal-json", "--to"])
        .arg(target.root())
        .args(paths.iter().copied())
        .long();
    track(runner, &invocation, &mut |_| {})?;
    Ok(())
}

/// How long so many bytes take, for the proportions of the progress: some 120 MB/s are copied (827 MB in 6.1 s, squashfs to
/// ext4).
#[allow(clippy::cast_precision_loss)] // Proportions.
pub(super) fn seconds(bytes: u64) -> f64 {
    bytes as f64 / 120e6
}

/// What is done with one record.
type Task<'a> = dyn Fn(&Record, &mut Archive<'_>, &mut Medium<'_>) -> Result<()> + Sync + 'a;

/// Does `task` for all records, on several threads, and tells the progress and `on_bytes`. The first error ends it.
fn work(
    report: &Report,
    interrupt: &Interrupt,
    image: Option<&Image>,
    records: &[&Record],
    on_bytes: &(dyn Fn(u64) -> Result<()> + Sync),
    task: &Task<'_>,
) -> Result<()> {
    let total = records.iter().map(|record| record.nar_size).sum();
    report.expect(Phase::Copy, seconds(total));
    let (next, done, failed) = (
        AtomicUsize::new(0),
        AtomicU64::new(0),
        Mutex::new(None::<anyhow::Error>),
    );
    let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        let mut medium = Medium::new(image);
        while let Some(record) = records.get(next.fetch_add(1, Ordering::Relaxed)) {
            let item = store_name(&record.path);
            let told = AtomicU64::new(0);
            let count = |read: u64| {
                interrupt.check()?;
                if failure().is_some() {
                    return Err(Interrupted.into());
                }
                on_bytes(read)?;
                // Read a second time, its bytes do not count again.
                let read = read.min(record.nar_size.saturating_sub(told.fetch_add(read, Ordering::Relaxed)));
                report.progress(
                    done.fetch_add(read, Ordering::Relaxed) + read,
                    total,
                    Unit::Bytes,
                    &item,
                );
                Ok(())
            };
            let outcome = task(record, &mut Archive::new(&count), &mut medium).and_then(|()| interrupt.check());
            let counted = told.into_inner().min(record.nar_size);
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
    report.progress(done.into_inner(), total, Unit::Bytes, "");
    failed
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

/// Makes one path in the staging folder and moves it to its place.
fn publish(target: &Target, record: &Record, archive: &mut Archive<'_>, medium: &mut Medium<'_>) -> Result<()> {
    let place = target.inside(&record.path);
    if place.symlink_metadata().is_ok() {
        // A power cut can leave files empty under their final names: only the hash tells.
        let hash = archive.hash(&mut Mounted::default(), &place, record.nar_size, None);
        if hash.is_ok_and(|hash| hash == record.nar_hash) {
            return Ok(());
        }
        remove(&place)?;
    }
    let name = place.file_name().context("A store path has no name")?;
    let staged = target.store_staging().join(name);
    medium.read(record, archive, Some(&staged))?;
    fs::rename(&staged, &place).with_context(|| format!("Failed to put {} in its place", place.display()))
}

/// What one worker reads from.
struct Medium<'a> {
    image: Option<(&'a Image, Reader<'a>)>,
    mounted: Mounted,
}

impl<'a> Medium<'a> {
    fn new(image: Option<&'a Image>) -> Self {
        Self {
            image: image.and_then(|image| Some((image, image.reader().ok()?))),
            mounted: Mounted::default(),
        }
    }

    /// Reads a path from the image, and as it is mounted if that has a wrong hash or fails, and then once more: a stick
    /// that stumbles is no damaged one. `staged` is where it is written.
    fn read(&mut self, record: &Record, archive: &mut Archive<'_>, staged: Option<&Path>) -> Result<()> {
        let size = record.nar_size;
        if let Some((image, reader)) = &mut self.image
            && let Some(node) = image.find(&record.path)
        {
            staged.map_or(Ok(()), remove)?;
            match archive.hash(reader, &node, size, staged) {
                Ok(hash) if hash == record.nar_hash => return Ok(()),
                Err(error) if error.is::<Interrupted>() => return Err(error),
                // Whatever it is, a full disk too, the second way meets it again.
                other => log::debug!("{} from the image: {other:?}", record.path),
            }
        }
        for _ in 0..2 {
            staged.map_or(Ok(()), remove)?;
            match archive.hash(&mut self.mounted, &PathBuf::from(&record.path), size, staged) {
                Ok(hash) if hash == record.nar_hash => return Ok(()),
                // The kernel gives EIO when a block of the squashfs cannot be decompressed, and other errors for its folders.
                Err(error) if !error.is::<Unreadable>() => return Err(error),
                other => log::debug!("{}, which should be {}: {other:?}", record.path, record.nar_hash),
            }
        }
        Err(Problem::error("medium-damaged", "The installation medium is damaged")
            .because(format!(
                "{} was read twice and is not what it was when the ISO was made.",
                record.path
            ))
            .remedy(
                "Compare the check sum of the stick with the ISO's, write it again or use another stick, and run the same \
                 command again. `nix-cfg-install --verify-store` checks all that an installation needs.",
            )
            .into())
    }
}

/// The target's file system, which is not let fall behind what is written to it.
struct Disk {
    store: File,
    written: AtomicU64,
    turn: Mutex<()>,
}

impl Disk {
    fn of(target: &Target) -> Result<Self> {
        let store = target.store();
        Ok(Self {
            store: File::open(&store).with_context(|| format!("Failed to open {}", store.display()))?,
            written: AtomicU64::new(0),
            turn: Mutex::default(),
        })
    }

    /// Counts `bytes` that were written. One worker waits for the disk while the others go on, until they would be too far
    /// ahead as well.
    fn takes(&self, bytes: u64) -> Result<()> {
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

/// Writes everything to the disk, and only then tells the target's database about it: after a power cut a path is whole
/// or not valid.
fn register(runner: &Runner, target: &Target, records: &[&Record]) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let store = target.store();
    let what = || format!("Failed to write {} to the disk", store.display());
    nix::unistd::syncfs(&File::open(&store).with_context(what)?).with_context(what)?;
    let load = Invocation::new("nix-store")
        .args(["--load-db", "--store"])
        .arg(target.root())
        .stdin(database::print(records.iter().copied()).into_bytes());
    runner.output(&load)?;
    Ok(())
}

/// Says before the first byte is written that the last would not fit. `needed` is in bytes.
///
/// # Errors
/// A [`Problem`] `disk-full` with what is missing.
pub(super) fn require_space(target: &Target, needed: u64) -> Result<()> {
    let free = free_bytes(target)?;
    if needed <= free {
        return Ok(());
    }
    let (needed, free, more) = (bytes(needed), bytes(free), bytes(needed - free));
    Err(disk_full(format!(
        "It needs {needed}, and {free} are free: {more} more are needed."
    ))
    .into())
}

/// The same for files, on a file system that has a fixed number of them.
fn require_inodes(target: &Target, records: &[&Record]) -> Result<()> {
    let fs = statvfs(target.root()).context("Failed to look at the target's file system")?;
    if fs.files() == 0 {
        return Ok(());
    }
    let entries = |record: &&Record| WalkDir::new(&record.path).into_iter().count() as u64;
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

/// What is free on the target's file system.
pub(super) fn free_bytes(target: &Target) -> Result<u64> {
    let fs = statvfs(target.root()).context("Failed to look at the target's file system")?;
    Ok(fs.blocks_available() * fs.fragment_size())
}

fn disk_full(why: String) -> Problem {
    Problem::error("disk-full", "The target is too small")
        .because(why)
        .remedy("Use a larger disk or partition, or a smaller configuration, and run the same command again: it goes on from here.")
}

/// A disk that filled up although there was room for the bytes (many small files need more blocks), or that broke.
fn explain(target: &Target, error: anyhow::Error) -> anyhow::Error {
    if has_errno(&error, Errno::ENOSPC) {
        let left = free_bytes(target).map_or_else(|_| "nothing".to_owned(), bytes);
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

/// Removes a file or a folder of a store, whose folders have no write bit.
fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("Failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
