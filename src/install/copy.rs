//! The closure into the target's store: each file read once, hashed and written from the same buffer, each path published
//! under its name only when its NAR hash is the database's, all of it registered at once.

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
use crate::report::{Problem, Report, Unit, bytes};
use crate::store::database::{self, Record};
use crate::store::nar::{Archive, Unreadable};

/// More readers than this gain nothing: the squashfs that they read from has one decompressor a core at best.
const MAX_WORKERS: usize = 4;

/// Copies the closures of `roots` into the target's store. What is valid there is not copied again; what is there and not
/// valid (an earlier run was cut off) is hashed, and kept if it is right.
///
/// # Errors
/// A [`Problem`]: the target is too small, or the medium is damaged; what Nix says, explained; interruption.
pub fn copy(runner: &Runner, report: &Report, target: &Target, roots: &[&str]) -> Result<()> {
    let records = records(runner, roots)?;
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
    // The largest first: the last worker then has little left to do.
    own.sort_by_key(|record| std::cmp::Reverse(record.nar_size));
    let staging = target.store_staging();
    remove(&staging)?;
    fs::create_dir_all(&staging).with_context(|| format!("Failed to make {}", staging.display()))?;
    let job = |record: &Record, archive: &mut Archive<'_>| publish(target, record, archive);
    work(report, runner.interrupt(), &own, &job)
        .and_then(|()| remove(&staging))
        .and_then(|()| register(runner, target, &own))
        .map_err(|error| explain(target, error))
}

/// Hashes the closures of `roots` in the live system's store, to find out whether the medium can be read.
///
/// # Errors
/// A [`Problem`] `medium-damaged` for the first path that is not as it should be; interruption.
pub fn verify(runner: &Runner, report: &Report, roots: &[&str]) -> Result<()> {
    let records = records(runner, roots)?;
    let check = |record: &Record, archive: &mut Archive<'_>| {
        read_verified(record, || archive.hash(Path::new(&record.path), None))
    };
    work(report, runner.interrupt(), &records.iter().collect::<Vec<_>>(), &check)
}

/// The bytes of the closures of `roots` in the live system's store.
///
/// # Errors
/// When Nix does not tell.
pub fn closure_size(runner: &Runner, roots: &[&str]) -> Result<u64> {
    Ok(records(runner, roots)?.iter().map(|record| record.nar_size).sum())
}

fn records(runner: &Runner, roots: &[&str]) -> Result<Vec<Record>> {
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    let closure = runner.output(&ask("nix-store", &["--query", "--requisites"], roots))?;
    let closure: Vec<&str> = closure.lines().collect();
    database::parse(&runner.output(&ask("nix-store", &["--dump-db"], &closure))?)
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

/// Does `job` for all records, on several threads, and tells the progress. The first error ends it.
fn work(
    report: &Report,
    interrupt: &Interrupt,
    records: &[&Record],
    job: &(dyn Fn(&Record, &mut Archive<'_>) -> Result<()> + Sync),
) -> Result<()> {
    let total = records.iter().map(|record| record.nar_size).sum();
    let (next, done, failed) = (
        AtomicUsize::new(0),
        AtomicU64::new(0),
        Mutex::new(None::<anyhow::Error>),
    );
    let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        while let Some(record) = records.get(next.fetch_add(1, Ordering::Relaxed)) {
            let item = store_name(&record.path);
            let told = AtomicU64::new(0);
            let count = |read: u64| {
                interrupt.check()?;
                if failure().is_some() {
                    return Err(Interrupted.into());
                }
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
            let outcome = job(record, &mut Archive::new(&count)).and_then(|()| interrupt.check());
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
fn publish(target: &Target, record: &Record, archive: &mut Archive<'_>) -> Result<()> {
    let place = target.inside(&record.path);
    if place.symlink_metadata().is_ok() {
        // A power cut can leave files empty under their final names: only the hash tells.
        if archive.hash(&place, None).is_ok_and(|hash| hash == record.nar_hash) {
            return Ok(());
        }
        remove(&place)?;
    }
    let name = place.file_name().context("A store path has no name")?;
    let staged = target.store_staging().join(name);
    read_verified(record, || {
        remove(&staged)?;
        archive.hash(Path::new(&record.path), Some(&staged))
    })?;
    fs::rename(&staged, &place).with_context(|| format!("Failed to put {} in its place", place.display()))
}

/// Reads once, and once more if the hash is not the database's: a stick that stumbles is no damaged one.
fn read_verified(record: &Record, mut read: impl FnMut() -> Result<String>) -> Result<()> {
    for _ in 0..2 {
        match read() {
            Ok(hash) if hash == record.nar_hash => return Ok(()),
            Ok(hash) => log::debug!(
                "{} has the hash {hash} and should have {}",
                record.path,
                record.nar_hash
            ),
            // The kernel gives EIO when a block of the squashfs cannot be decompressed, and other errors for its folders.
            Err(error) if error.is::<Unreadable>() => log::debug!("{}: {error:#}", record.path),
            Err(error) => return Err(error),
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
fn remove(path: &PathBuf) -> Result<()> {
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
