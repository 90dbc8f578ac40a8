//! Removing and replacing files so that a power cut leaves either the old or the new.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Removes a file, a symbolic link or a directory with all that is in it. It may be absent.
///
/// # Errors
/// If something of it cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
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

/// Makes what is in `folder`'s file system survive a power cut.
pub fn sync(folder: &Path) -> Result<()> {
    let what = || format!("Failed to write {} to the disk", folder.display());
    let folder = File::open(folder).with_context(what)?;
    nix::unistd::syncfs(&folder).with_context(what)
}

/// Writes a file so that it is there whole or not at all, and stays there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || format!("Failed to write {}", path.display());
    let folder = path.parent().with_context(what)?;
    fs::create_dir_all(folder).with_context(what)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(what)?;
    file.write_all(bytes).with_context(what)?;
    file.as_file().sync_all().with_context(what)?;
    file.persist(path).with_context(what)?;
    // Its name as well: what is done next may survive a power cut that this would not, on another file system.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(what)
}
