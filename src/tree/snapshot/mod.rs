//! A private copy of a tree. Everything after works on the copy: what was checked is what is installed, and nobody
//! can exchange a file in between.

mod findings;
#[cfg(test)]
mod snapshot_tests;

use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use nix::dir::Dir;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, fstatat, utimensat};
use nix::sys::time::TimeSpec;

use super::accounts::{Accounts, Trust};
use super::special_files::special_file;
use crate::diagnostic::{CopyProblem, Diagnostics};
use crate::interrupt::Interrupt;
pub use findings::Findings;
use findings::{Unread, file_type, unreadable};

/// Permission bits that are kept. Not setuid and setgid: the copy belongs to root.
const KEPT_MODE: u32 = 0o1777;

/// The owner of the copy may change it: everything on an ISO, and in a Nix store, is read-only.
pub const OWNER_WRITES: u32 = 0o200;

/// The repository of a tree: a directory. A file in its place names the directory, in a worktree and a submodule (gitrepository-layout(5)).
const GIT: &str = ".git";

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// One directory that is being copied.
struct Frame {
    source: OwnedFd,
    stat: FileStat,
    /// Relative to the tree.
    path: PathBuf,
    /// What is still to be copied, last first.
    names: Vec<OsString>,
}

/// Copies trees: as they are (links stay links; modes, times, empty directories, dot files and all names are kept), owned by
/// this process's user, who may write. Extended attributes and hard links are not kept.
pub struct Copier<'a> {
    /// Who may own the source; `None` for a copy that was judged before.
    pub owners: Option<&'a Accounts>,
    /// Ends the copy.
    pub interrupt: &'a Interrupt,
    /// Which entries are not copied, by their path relative to the tree and their type; `None` copies everything.
    pub exclude: Option<fn(&Path, SFlag) -> bool>,
}

/// Copies all of `source`, which was judged before, to `dest`, an existing empty directory.
///
/// # Errors
/// As [`Copier::copy`]; what cannot be copied.
pub fn copy_whole(source: &Path, dest: &Path, interrupt: &Interrupt) -> Result<()> {
    let copier = Copier {
        owners: None,
        interrupt,
        exclude: None,
    };
    let problems = copier.copy(&File::open(source)?.into(), dest)?.problems;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Diagnostics(problems).into())
}

impl Copier<'_> {
    /// Copies the directory `source` to `dest`, an existing empty directory. Nothing in the source is followed through a link.
    ///
    /// # Errors
    /// When something cannot be written, or the copy was interrupted. What must be refused (special files, owners, modes,
    /// what cannot be read) is in the findings instead, so that all of it can be reported at once.
    pub fn copy(&self, source: &OwnedFd, dest: &Path) -> Result<Findings> {
        let mut findings = Findings::default();
        let source = source.try_clone().context("Failed to open the tree once more")?;
        let mut stack = vec![Frame::open(source, PathBuf::new()).context("Failed to read the tree")?];
        self.judge(&stack[0].stat, Path::new("."), &mut findings);
        while let Some(frame) = stack.last_mut() {
            self.interrupt.check()?;
            let Some(name) = frame.names.pop() else {
                finish_directory(frame, dest)?;
                stack.pop();
                continue;
            };
            let path = frame.path.join(&name);
            match self.copy_entry(frame, &name, path.clone(), dest, &mut findings) {
                Ok(inner) => stack.extend(inner),
                Err(error) => findings.problems.push(unreadable(&path, error)?),
            }
        }
        Ok(findings)
    }

    /// Copies one entry; returns the frame of a directory, which is then copied in turn.
    fn copy_entry(
        &self,
        frame: &Frame,
        name: &OsString,
        path: PathBuf,
        dest: &Path,
        findings: &mut Findings,
    ) -> Result<Option<Frame>> {
        let name = name.as_os_str();
        let seen = fstatat(&frame.source, name, AtFlags::AT_SYMLINK_NOFOLLOW).context(Unread)?;
        if self.exclude.is_some_and(|excludes| excludes(&path, file_type(&seen))) {
            return Ok(None);
        }
        if path == Path::new(GIT) && file_type(&seen) != SFlag::S_IFDIR {
            findings.push_first(CopyProblem::RepositoryElsewhere, &path);
            return Ok(None);
        }
        self.judge(&seen, &path, findings);
        findings.not_kept(&seen, &path);
        let target = dest.join(&path);
        match file_type(&seen) {
            SFlag::S_IFDIR => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let inner = openat(&frame.source, name, flags, Mode::empty()).context(Unread)?;
                findings.attributes_not_kept(&inner, &path);
                fs::create_dir(&target)?;
                return Ok(Some(Frame::open(inner, path)?));
            }
            SFlag::S_IFREG => {
                // Non-blocking: should the file have become a pipe since it was looked at, opening it must not hang.
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let source = openat(&frame.source, name, flags, Mode::empty()).context(Unread)?;
                findings.attributes_not_kept(&source, &path);
                findings.bytes += copy_file(source, &target)?;
            }
            SFlag::S_IFLNK => {
                let link = readlinkat(&frame.source, name).context(Unread)?;
                symlink(&link, &target)?;
                set_link_times(&target, &seen)?;
            }
            special => findings.problems.push(special_file(&path, special)),
        }
        Ok(None)
    }

    fn judge(&self, stat: &FileStat, path: &Path, findings: &mut Findings) {
        let Some(owners) = self.owners else { return };
        if stat.st_mode & 0o002 != 0 && file_type(stat) != SFlag::S_IFLNK {
            findings.push_first(CopyProblem::WorldWritable, path);
        }
        match owners.judge(stat.st_uid) {
            Trust::SystemAccount(name) => findings.push_first(CopyProblem::SystemAccount { name }, path),
            Trust::Unknown(uid) => findings.push_first(CopyProblem::UnknownOwner { uid }, path),
            Trust::Trusted => {}
        }
    }
}

impl Frame {
    fn open(source: OwnedFd, path: PathBuf) -> Result<Self> {
        let stat = fstat(&source).context(Unread)?;
        let mut listing = Dir::from_fd(source.try_clone()?).context(Unread)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry.context(Unread)?;
            let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        // Taken from the end: the order of findings is then that of the names.
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self {
            source,
            stat,
            path,
            names,
        })
    }
}

fn copy_file(source: OwnedFd, target: &Path) -> Result<u64> {
    let stat = fstat(&source).context(Unread)?;
    anyhow::ensure!(file_type(&stat) == SFlag::S_IFREG, "it was exchanged while it was read");
    let mut source = File::from(source);
    let mut dest = File::options().write(true).create_new(true).mode(0o600).open(target)?;
    let copied = copy_contents(&mut source, &mut dest)?;
    dest.set_permissions(fs::Permissions::from_mode(stat.st_mode & KEPT_MODE | OWNER_WRITES))?;
    dest.set_times(FileTimes::new().set_modified(modified(&stat)))?;
    Ok(copied)
}

/// Copies all of `source`, and returns the bytes.
///
/// # Errors
/// With [`Unread`] as context where it is the source's.
pub fn copy_contents(source: &mut File, dest: &mut File) -> Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.context(Unread)?,
        };
        dest.write_all(&buffer[..read])?;
        copied += read as u64;
    }
}

/// A directory's mode and time come after its contents, which would change the time and might need the write bit.
fn finish_directory(frame: &Frame, dest: &Path) -> Result<()> {
    let target = dest.join(&frame.path);
    let what = || format!("Failed to finish the directory {}", target.display());
    let directory = File::open(&target).with_context(what)?;
    directory
        .set_permissions(fs::Permissions::from_mode(
            frame.stat.st_mode & KEPT_MODE | OWNER_WRITES,
        ))
        .with_context(what)?;
    directory
        .set_times(FileTimes::new().set_modified(modified(&frame.stat)))
        .with_context(what)
}

fn modified(stat: &FileStat) -> SystemTime {
    let nanos = Duration::from_nanos(u64::try_from(stat.st_mtime_nsec).unwrap_or(0));
    let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs());
    if stat.st_mtime >= 0 {
        SystemTime::UNIX_EPOCH + seconds + nanos
    } else {
        SystemTime::UNIX_EPOCH - seconds + nanos
    }
}

fn set_link_times(target: &Path, stat: &FileStat) -> Result<()> {
    let time = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
    utimensat(AT_FDCWD, target, &time, &time, UtimensatFlags::NoFollowSymlink)?;
    Ok(())
}
