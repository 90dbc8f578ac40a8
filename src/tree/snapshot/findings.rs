//! What a copy cannot take, or cannot keep, and how it is told.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};

use super::kind;
use crate::diagnostic::Diagnostic;

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
    /// Keeps the first problem of its code: a whole tree of one kind is one finding.
    pub(super) fn push_first(&mut self, problem: Diagnostic) {
        if self.problems.iter().all(|known| known.code != problem.code) {
            self.problems.push(problem);
        }
    }

    /// Tells what the copy will not have of the file or folder at `path`.
    pub(super) fn unkept(&mut self, stat: &FileStat, path: &Path) {
        if kind(stat) != SFlag::S_IFLNK && stat.st_mode & SET_ID != 0 {
            self.push_first(
                Diagnostic::warning("tree-set-id", "A setuid or setgid bit in the configuration is not kept")
                    .at(path, None, None)
                    .because("All that is installed belongs to root. This is the first such file; there may be more.")
                    .remedy("If it is needed, set it again in the installed system (chmod)."),
            );
        }
        if kind(stat) != SFlag::S_IFREG || stat.st_nlink < 2 {
            return;
        }
        let known = self
            .names
            .entry((stat.st_dev, stat.st_ino))
            .or_insert_with(|| path.to_owned());
        if known != path {
            let known = known.display().to_string();
            self.push_first(
                Diagnostic::warning(
                    "tree-hard-link",
                    "A file of the configuration that has two names becomes two files",
                )
                .at(path, None, None)
                .because(format!(
                    "Its other name is {known}: a hard link. This is the first such file; there may be more."
                ))
                .remedy("If both are to change together, make one of them a symbolic link (ln -s)."),
            );
        }
    }

    /// Tells which extended attributes and access lists the copy of `path` will not have.
    pub(super) fn unkept_attributes(&mut self, source: &OwnedFd, path: &Path) {
        let mut names = vec![0; ATTRIBUTES];
        // A file system without any.
        let Ok(length) = rustix::fs::flistxattr(source, names.as_mut_slice()) else {
            return;
        };
        let names = String::from_utf8_lossy(&names[..length]);
        let of_user = |name: &&str| OF_USER.iter().any(|prefix| name.starts_with(prefix));
        if let Some(name) = names.split('\0').find(of_user) {
            self.push_first(
                Diagnostic::warning("tree-attributes", format!("The attribute {name} in the configuration is not kept"))
                    .at(path, None, None)
                    .because("A copy has neither extended attributes nor access lists, and Nix has none either. This is the first such file; there may be more.")
                    .remedy("If it is needed, set it again in the installed system (setfattr, setfacl)."),
            );
        }
    }
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
        Some(number) if error.is::<Unread>() && UNREADABLE.contains(&number) => Ok(Diagnostic::error(
            "tree-unreadable",
            "A file of the configuration cannot be read",
        )
        .at(path, None, None)
        .because(number.desc())
        .remedy("Copy the configuration anew. An input/output error means a bad medium; `dmesg` says more.")),
        _ => Err(error.context(format!("Failed to copy {}", path.display()))),
    }
}

pub(super) fn special_file(path: &Path, kind: SFlag) -> Diagnostic {
    let name = match kind {
        SFlag::S_IFIFO => "a named pipe",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    };
    Diagnostic::error("tree-special-file", format!("The configuration contains {name}"))
        .at(path, None, None)
        .because("Nix reads only files, folders and links, and a copy of it would mean nothing.")
        .remedy("Remove it from the tree.")
}
