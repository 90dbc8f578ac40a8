//! Which of the files that a person brought the target does not have yet, and the room that they take.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::fcntl::OFlag;

use crate::files::remove;
use crate::interrupt::Interrupt;
use crate::live::target::Target;
use crate::tree::extra_files::{ExtraFile, ExtraFiles, Kind, new_name};

/// Those that the target does not have yet; its directories are not looked at. What a run that was killed had begun to copy is removed:
/// it takes room.
pub(super) fn missing<'a>(files: &'a ExtraFiles, target: &Target, interrupt: &Interrupt) -> Result<Vec<&'a ExtraFile>> {
    let mut missing = Vec::new();
    for file in &files.files {
        interrupt.check()?;
        let what = || format!("Failed to compare {}", target.inside_path(&file.path).display());
        if !is_there(&files.directory, file, target).with_context(what)? {
            missing.push(file);
        }
    }
    Ok(missing)
}

fn is_there(source: &Path, file: &ExtraFile, target: &Target) -> Result<bool> {
    // A directory that cannot be opened may be missing; otherwise it is reported when the file is put there.
    let Ok((_open, directory)) = directory_of(file, target) else {
        return Ok(false);
    };
    let name = file.path.file_name().context("It has no name")?;
    remove(&directory.join(new_name(name)))?;
    let (source, at) = (source.join(&file.path), directory.join(name));
    match file.kind {
        Kind::Directory(_) => Ok(false),
        Kind::Link => Ok(fs::read_link(&at).is_ok_and(|there| fs::read_link(&source).is_ok_and(|link| there == link))),
        Kind::File => is_same(&source, &at),
    }
}

/// The directory that `file` is in on the target, by a path that leads to it whatever links are in between, as in the installed
/// system.
pub(super) fn directory_of(file: &ExtraFile, target: &Target) -> io::Result<(File, PathBuf)> {
    let parent = file.path.parent().unwrap_or(Path::new(""));
    let directory = target.open_inside(&Path::new("/").join(parent))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    Ok((directory, path))
}

/// Opens a file, which may have become something else since its directory was read.
pub(super) fn open(source: &Path) -> Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(source)?;
    ensure!(file.metadata()?.is_file(), "it was exchanged while it was read");
    Ok(file)
}

/// Whether the target has a file with the contents of `source`.
fn is_same(source: &Path, there: &Path) -> Result<bool> {
    let is_file = |meta: Metadata| meta.is_file().then_some(meta.len());
    let Some(length) = there.symlink_metadata().ok().and_then(is_file) else {
        return Ok(false);
    };
    let source = open(source)?;
    Ok(source.metadata()?.len() == length && have_same_contents(source, File::open(there)?)?)
}

/// Bytes that are compared at a time: an extra file can be larger than the memory.
const CHUNK: u64 = 1 << 16;

fn have_same_contents(mut one: impl Read, mut other: impl Read) -> io::Result<bool> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        one.by_ref().take(CHUNK).read_to_end(&mut left)?;
        other.by_ref().take(CHUNK).read_to_end(&mut right)?;
        if left != right || left.is_empty() {
            return Ok(left == right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::room::{Grain, of_extra_files};

    #[test]
    fn files_of_any_length_are_compared_without_reading_them_whole() {
        let zeros = |length| io::repeat(0).take(length);
        for length in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            assert!(have_same_contents(zeros(length), zeros(length)).unwrap());
            assert!(!have_same_contents(zeros(length), zeros(length + 1)).unwrap());
            assert!(!have_same_contents(zeros(length + 1), zeros(length).chain(io::repeat(1))).unwrap());
        }
        // These have no end.
        assert!(!have_same_contents(io::repeat(0), io::repeat(1)).unwrap());
    }

    #[test]
    fn what_an_earlier_run_has_brought_needs_no_room_again() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        let brought = tempfile::tempdir().unwrap();
        for (path, text) in [("there", "a large file"), ("cut-off", "new"), ("other", "new")] {
            fs::write(brought.path().join(path), text).unwrap();
        }
        let files = ExtraFiles::read(brought.path()).unwrap();
        for (path, text) in [
            ("there", "a large file"),
            (".cut-off.nix-cfg-install", "ne"),
            ("other", "old"),
        ] {
            fs::write(root.path().join(path), text).unwrap();
        }
        let missing = missing(&files, &target, &Interrupt::default()).unwrap();
        let needed = of_extra_files(&missing, &files.directory, Grain::EXPECTED).unwrap();
        assert_eq!((needed.bytes, needed.entries), (2 * 4096, 2));
        assert_eq!(
            fs::read_dir(root.path()).unwrap().count(),
            2,
            "what was cut off takes room"
        );
    }
}
