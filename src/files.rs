//! Listing directories, and removing and replacing files so that a power cut leaves either the old or the new.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::text::bytes;

/// The names in a directory that are UTF-8, sorted; none where it cannot be read.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The text of a file that a person named: anything may be at its path, also what never ends. At most `limit` bytes are read.
///
/// # Errors
/// When it cannot be read, is larger, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let refuse = |why: String| io::Error::new(ErrorKind::InvalidData, why);
    let mut contents = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > limit {
        return Err(refuse(format!("It is larger than {}.", bytes(limit))));
    }
    String::from_utf8(contents).map_err(|_| refuse("It is not UTF-8 text.".to_owned()))
}

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

/// Makes what is in `directory`'s file system survive a power cut.
pub fn sync(directory: &Path) -> Result<()> {
    let what = || format!("Failed to write {} to the disk", directory.display());
    let directory = File::open(directory).with_context(what)?;
    nix::unistd::syncfs(&directory).with_context(what)
}

/// Writes a file that only its owner can read, so that it is there whole or not at all, and stays there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with_mode(path, bytes, 0o600)
}

/// As [`write_whole`], with the permissions `mode`.
pub fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let what = || format!("Failed to write {}", path.display());
    let directory = path.parent().with_context(what)?;
    fs::create_dir_all(directory).with_context(what)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(what)?;
    file.write_all(bytes).with_context(what)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))
        .with_context(what)?;
    file.as_file().sync_all().with_context(what)?;
    file.persist(path).with_context(what)?;
    // Its name as well: what is done next may survive a power cut that this would not, on another file system.
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .with_context(what)
}

/// Exchanges `new` and `old` at once, or moves `new` there when nothing is at `old`. `before` is where `old` goes meanwhile on a file
/// system that cannot exchange: then it takes two steps.
///
/// # Errors
/// When the file system refuses.
pub fn exchange(new: &Path, old: &Path, before: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, new, AT_FDCWD, old, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::ENOENT) => fs::rename(new, old),
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            fs::rename(old, before)?;
            fs::rename(new, old)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_never_ends_or_is_none_is_refused() {
        let said = |path: &str, limit| read_text(Path::new(path), limit).unwrap_err().to_string();
        assert_eq!(said("/dev/zero", 2_000_000), "It is larger than 2.0 MB.");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "\u{e9}").unwrap();
        assert_eq!(read_text(file.path(), 2).unwrap(), "\u{e9}");
        assert!(
            read_text(file.path(), 1)
                .unwrap_err()
                .to_string()
                .starts_with("It is larger")
        );
        fs::write(file.path(), b"\xff").unwrap();
        assert_eq!(said(file.path().to_str().unwrap(), 9), "It is not UTF-8 text.");
    }
}
