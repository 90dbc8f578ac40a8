//! Reads the files of store paths: from the mounted store here, from the image that it is mounted from in
//! [`super::live_image`].

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// The size of the buffer, in bytes.
const CHUNK: usize = 256 << 10;

/// The context of each error from reading: it distinguishes a damaged medium from a target that cannot be written.
#[derive(Debug)]
pub struct Unreadable(String);

impl Unreadable {
    /// Names what could not be read.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failed to read {}", self.0)
    }
}

/// Reads the files of store paths. Its errors are [`Unreadable`].
pub trait Contents {
    /// Identifies a file, a directory or a link.
    type Node;

    /// What a node is.
    ///
    /// # Errors
    /// When it cannot be read, or cannot be part of a store path.
    fn kind(&mut self, node: &Self::Node) -> Result<NodeKind<Self::Node>>;

    /// Hands the contents of a file to `each`, piece by piece.
    ///
    /// # Errors
    /// When it cannot be read, and those of `each` as they are.
    fn read(&mut self, node: &Self::Node, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// What a store path consists of.
pub enum NodeKind<Node> {
    /// A directory with its entries, in any order.
    Directory(Vec<(OsString, Node)>),
    /// A link with its target.
    Link(OsString),
    /// A file.
    File {
        /// In bytes.
        length: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
}

/// The mounted store: a node is a path.
pub struct Mounted {
    buffer: Vec<u8>,
}

impl Default for Mounted {
    fn default() -> Self {
        Self { buffer: vec![0; CHUNK] }
    }
}

impl Contents for Mounted {
    type Node = PathBuf;

    fn kind(&mut self, path: &PathBuf) -> Result<NodeKind<PathBuf>> {
        let what = || unreadable(path);
        let meta = fs::symlink_metadata(path).with_context(what)?;
        if meta.is_dir() {
            let entries = fs::read_dir(path).with_context(what)?;
            let names = entries.map(|entry| entry.map(|entry| (entry.file_name(), entry.path())));
            Ok(NodeKind::Directory(names.collect::<Result<_, _>>().with_context(what)?))
        } else if meta.is_symlink() {
            Ok(NodeKind::Link(fs::read_link(path).with_context(what)?.into()))
        } else if meta.is_file() {
            Ok(NodeKind::File {
                length: meta.len(),
                executable: meta.permissions().mode() & 0o100 != 0,
            })
        } else {
            Err(anyhow!("it is not a regular file, a directory or a symbolic link").context(what()))
        }
    }

    fn read(&mut self, path: &PathBuf, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let what = || unreadable(path);
        let mut input = File::open(path).with_context(what)?;
        loop {
            let read = input.read(&mut self.buffer).with_context(what)?;
            if read == 0 {
                return Ok(());
            }
            each(&self.buffer[..read])?;
        }
    }
}

fn unreadable(path: &Path) -> Unreadable {
    Unreadable::new(path.display().to_string())
}
