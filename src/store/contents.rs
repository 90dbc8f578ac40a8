//! Where store paths are read from: the mounted store here, the image that it is mounted from in [`super::image`].

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// The context of every error that came from reading the source, so that a damaged medium can be told from a target that
/// does not take what is written.
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

/// Where store paths are read from. Its errors are [`Unreadable`].
pub trait Tree {
    /// Names one thing in it.
    type Node;

    /// What a node is.
    ///
    /// # Errors
    /// When it cannot be read, or is nothing that a store path can hold.
    fn look(&mut self, node: &Self::Node) -> Result<Kind<Self::Node>>;

    /// Hands the contents of a file to `each`, piece by piece.
    ///
    /// # Errors
    /// When it cannot be read, and those of `each` as they are.
    fn read(&mut self, node: &Self::Node, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// What a store path is made of.
pub enum Kind<Node> {
    /// A folder with its entries, in any order.
    Folder(Vec<(OsString, Node)>),
    /// A link with its target.
    Link(OsString),
    /// A file.
    File {
        /// In bytes.
        length: u64,
        /// Whether it is a program.
        executable: bool,
    },
}

/// What is mounted: a node is a path.
pub struct Mounted {
    buffer: Vec<u8>,
}

impl Default for Mounted {
    fn default() -> Self {
        Self { buffer: vec![0; CHUNK] }
    }
}

impl Tree for Mounted {
    type Node = PathBuf;

    fn look(&mut self, path: &PathBuf) -> Result<Kind<PathBuf>> {
        let what = || unreadable(path);
        let meta = fs::symlink_metadata(path).with_context(what)?;
        if meta.is_dir() {
            let entries = fs::read_dir(path).with_context(what)?;
            let names = entries.map(|entry| entry.map(|entry| (entry.file_name(), entry.path())));
            Ok(Kind::Folder(names.collect::<Result<_, _>>().with_context(what)?))
        } else if meta.is_symlink() {
            Ok(Kind::Link(fs::read_link(path).with_context(what)?.into()))
        } else if meta.is_file() {
            Ok(Kind::File {
                length: meta.len(),
                executable: meta.permissions().mode() & 0o100 != 0,
            })
        } else {
            Err(anyhow!("it is neither a file nor a folder nor a link").context(what()))
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
