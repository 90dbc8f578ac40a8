//! Mounting what the live system of an update is made of.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};

pub(super) fn mount_new(kind: &str, at: &Path, options: &str) -> Result<()> {
    mount(Some(kind), at, Some(kind), MsFlags::empty(), Some(options))
        .with_context(|| format!("Failed to mount {kind} at {}", at.display()))
}

pub(super) fn bind(what: &Path, at: &Path, more: MsFlags) -> Result<()> {
    let nothing = None::<&str>;
    mount(Some(what), at, nothing, MsFlags::MS_BIND | more, nothing)
        .with_context(|| format!("Failed to bind {} to {}", what.display(), at.display()))
}

/// The absolute path `path` below `root`.
pub(super) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
