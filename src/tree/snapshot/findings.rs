//! What a copy cannot take, or cannot keep.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::mem::discriminant;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};

use crate::diagnostic::{CopyProblem, Diagnostic, Problem};

/// Setuid and setgid.
const SET_ID: u32 = 0o6000;

/// Bytes of the longest list of attributes (`XATTR_LIST_MAX` of linux/limits.h).
const ATTRIBUTES: usize = 65536;

/// How the attributes begin that a person made: others are the system's own, and the installed one makes them anew.
const OF_USER: [&str; 3] = ["user.", "system.posix_acl_", "security.capability"];

/// What a copy found on its way.
#[derive(Debug, Default)]
pub struct Findings {
    /// Errors and warnings, in the order of the tree.
    pub problems: Vec<Diagnostic>,
    /// The bytes of all files.
    pub bytes: u64,
    /// The first name of each file that has several, by device and inode.
    names: HashMap<(u64, u64), PathBuf>,
}

impl Findings {
    /// Adds a problem unless one of its kind is there: a whole tree of one kind is one finding.
    pub(super) fn push_first(&mut self, problem: CopyProblem, path: &Path) {
        let is_same = |known: &Diagnostic| match &known.problem {
            Problem::CopyProblem(known) => discriminant(known) == discriminant(&problem),
            _ => false,
        };
        if !self.problems.iter().any(is_same) {
            self.problems.push(Diagnostic::from(problem).at(path, None, None));
        }
    }

    /// Reports what the copy will not have of the file or directory at `path`: a set-id bit, a second name.
    pub(super) fn not_kept(&mut self, stat: &FileStat, path: &Path) {
        if file_type(stat) != SFlag::S_IFLNK && stat.st_mode & SET_ID != 0 {
            self.push_first(CopyProblem::SetId, path);
        }
        if file_type(stat) != SFlag::S_IFREG || stat.st_nlink < 2 {
            return;
        }
        let known = self
            .names
            .entry((stat.st_dev, stat.st_ino))
            .or_insert_with(|| path.to_owned());
        if known != path {
            let other = known.clone();
            self.push_first(CopyProblem::HardLink { other }, path);
        }
    }

    /// Reports the extended attributes and access lists that the copy of `path` will not have.
    pub(super) fn attributes_not_kept(&mut self, source: &OwnedFd, path: &Path) {
        let mut names = vec![0; ATTRIBUTES];
        // A file system without any.
        let Ok(length) = rustix::fs::flistxattr(source, names.as_mut_slice()) else {
            return;
        };
        let names = String::from_utf8_lossy(&names[..length]);
        let of_user = |name: &&str| OF_USER.iter().any(|prefix| name.starts_with(prefix));
        if let Some(name) = names.split('\0').find(of_user) {
            let name = name.to_owned();
            self.push_first(CopyProblem::Attribute { name }, path);
        }
    }
}

/// The type bits of a mode, alone.
pub(super) fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

/// The context of every error that came from reading the source: the rest of the tree can still be read, while a dest that
/// cannot be written ends the copy.
#[derive(Debug)]
pub(super) struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it cannot be read")
    }
}

/// What the system says of a file that it does not give out, whole or at all: no permission, or a bad medium.
const UNREADABLE: [Errno; 5] = [Errno::EACCES, Errno::EPERM, Errno::EIO, Errno::ESTALE, Errno::EUCLEAN];

/// The problem of a file that cannot be read; other errors go up.
pub(super) fn unreadable(path: &Path, error: anyhow::Error) -> Result<Diagnostic> {
    let number = error.chain().find_map(|cause| {
        let of_call = cause.downcast_ref::<Errno>().copied();
        of_call.or_else(|| Some(Errno::from_raw(cause.downcast_ref::<io::Error>()?.raw_os_error()?)))
    });
    match number {
        Some(number) if error.is::<Unread>() && UNREADABLE.contains(&number) => {
            let error = number.desc().to_owned();
            Ok(Diagnostic::from(CopyProblem::Unreadable { error }).at(path, None, None))
        }
        _ => Err(error.context(format!("Failed to copy {}", path.display()))),
    }
}
