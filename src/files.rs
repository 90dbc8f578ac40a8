//! Listing directories, and removing and replacing files so that a power cut leaves either the old or the new.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};
use sha2::{Digest, Sha256};

use crate::interrupt::Interrupt;
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

/// The directory for temporary files: that of the caller (`TMPDIR`) where it exists. In the live system of an update, that of the machine does
/// not.
pub fn temporary() -> PathBuf {
    let wanted = std::env::temp_dir();
    if wanted.is_dir() { wanted } else { "/tmp".into() }
}

/// Opens what is at `path`, which may be anything. Where it is a pipe, this does not wait for its other end.
///
/// # Errors
/// When it cannot be opened.
pub fn open_anything(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
}

/// The text of a regular file, of which at most `limit` bytes are read.
///
/// # Errors
/// When it is something else, cannot be read, is larger, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let file = open_anything(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(refusal("It is a pipe or a device, and not a file."));
    }
    text(file, limit, &Interrupt::default())
}

/// As [`read_text`], of what a person named: also of a device, or of a pipe (`<(…)`) to which somebody writes.
///
/// # Errors
/// As [`read_text`]; [`ErrorKind::Interrupted`] once `interrupt` is raised.
pub fn read_input(path: &Path, limit: u64, interrupt: &Interrupt) -> io::Result<String> {
    let file = open_anything(path)?;
    let is_pipe = file.metadata()?.file_type().is_fifo();
    let text = text(file, limit, interrupt)?;
    if is_pipe && text.is_empty() {
        return Err(refusal("It is a pipe to which nothing was written."));
    }
    Ok(text)
}

fn text(file: File, limit: u64, interrupt: &Interrupt) -> io::Result<String> {
    if file.metadata()?.is_dir() {
        return Err(refusal("It is a directory."));
    }
    let (mut contents, mut file) = (Vec::new(), file.take(limit + 1));
    loop {
        // What was read before it would have waited is kept.
        match file.read_to_end(&mut contents) {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock && !interrupt.is_raised() => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::Interrupted.into()),
            Err(error) => return Err(error),
        }
    }
    if contents.len() as u64 > limit {
        return Err(refusal(&format!("It is larger than {}.", bytes(limit))));
    }
    String::from_utf8(contents).map_err(|_| refusal("It is not UTF-8 text."))
}

fn refusal(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// The SHA-256 of what `file` has from here on, in base 16. `on_bytes` gets how much of it was read, and can stop it with an error.
///
/// # Errors
/// When it cannot be read; those of `on_bytes`.
pub fn sha256(mut file: impl Read, on_bytes: &mut dyn FnMut(u64) -> Result<()>) -> Result<String> {
    let (mut hash, mut buffer, mut total) = (Sha256::new(), vec![0; 1 << 18], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(HEXLOWER.encode(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
        total += read as u64;
        on_bytes(total)?;
    }
}

/// Removes a file, a symbolic link or a directory with all that is in it. It may be absent, as below what is no directory.
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
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => Ok(()),
        removed => removed.with_context(|| format!("Failed to remove {}", path.display())),
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
        assert_eq!(
            said("/dev/zero", 2_000_000),
            "It is a pipe or a device, and not a file."
        );
        assert_eq!(said("/", 9), "It is a directory.");
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

    #[test]
    fn what_is_removed_may_be_absent_also_below_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        remove(&file.path().join("loader/loader.tmp")).unwrap();
        remove(&file.path().with_extension("absent")).unwrap();
        remove(file.path()).unwrap();
        assert!(!file.path().exists());
    }

    #[test]
    fn a_pipe_is_read_to_its_end_and_one_without_a_writer_or_an_end_does_not_hold_the_program_up() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let interrupt = Interrupt::default();
        let read = || read_input(&pipe, 9, &interrupt).map_err(|error| error.to_string());
        assert!(read_text(&pipe, 9).unwrap_err().to_string().contains("not a file"));
        assert_eq!(read().unwrap_err(), "It is a pipe to which nothing was written.");
        let said = |path: &str| read_input(Path::new(path), 2_000_000, &interrupt).map_err(|error| error.to_string());
        assert_eq!(said("/dev/zero").unwrap_err(), "It is larger than 2.0 MB.");
        assert_eq!(said("/dev/null").unwrap(), "");
        // As `<(…)`, whose writer is slow.
        let (reader, mut writer) = io::pipe().unwrap();
        let named = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let slow = thread::spawn(move || {
            for part in ["host", ": a"] {
                thread::sleep(Duration::from_millis(50));
                writer.write_all(part.as_bytes()).unwrap();
            }
        });
        assert_eq!(said(&named).unwrap(), "host: a");
        slow.join().unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        let named = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        interrupt.raise();
        let error = read_input(Path::new(&named), 9, &interrupt).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
}
