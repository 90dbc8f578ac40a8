//! Where the private copy of a tree is: in a directory that only root can reach.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::locked_directory::LockedDirectory;

/// An empty directory in one with mode 0700. It is removed with this value.
#[derive(Debug)]
pub struct PrivateCopy {
    path: PathBuf,
    _outer: LockedDirectory,
}

impl PrivateCopy {
    pub fn new() -> Result<Self> {
        let what = "Failed to make a temporary directory";
        let outer = LockedDirectory::private().context(what)?;
        // The tree gives its own permissions to the directory that it is copied to.
        let path = outer.path().join("configuration");
        fs::create_dir(&path).context(what)?;
        Ok(Self { path, _outer: outer })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
