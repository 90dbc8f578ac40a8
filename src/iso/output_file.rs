//! The file that `nix-cfg-iso customize` writes.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::statvfs::statvfs;

use crate::diagnostic::IsoOutputProblem;

/// The absolute path of `out`, which must be a new file in a directory that exists.
pub(super) fn require_new(iso: &Path, out: &Path) -> Result<PathBuf> {
    let file = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    if out == Path::new("-") {
        return Err(IsoOutputProblem::IsStdout.into());
    }
    if out.is_dir() || out.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(IsoOutputProblem::IsDirectory { out: out.to_owned() }.into());
    }
    match (fs::symlink_metadata(out), file(out)) {
        // What it may be, the directory shows.
        (Err(_), _) => {}
        (Ok(_), found) => {
            let out = out.to_owned();
            return Err(if found.is_some() && found == file(iso) {
                IsoOutputProblem::SameFile { out }.into()
            } else {
                IsoOutputProblem::Exists { out }.into()
            });
        }
    }
    let out = std::path::absolute(out).context("Failed to find the working directory")?;
    let directory = directory_of(&out);
    let real = fs::canonicalize(directory).and_then(|real| real.read_dir().map(|_| real));
    let real = real.map_err(|error| IsoOutputProblem::Directory {
        directory: directory.to_owned(),
        error: error.to_string(),
    })?;
    Ok(real.join(out.file_name().unwrap_or_default()))
}

/// Fails unless an image of `needed` bytes has room in `directory`.
pub(super) fn require_room(directory: &Path, needed: u64) -> Result<()> {
    let room = statvfs(directory).with_context(|| format!("Failed to look at {}", directory.display()))?;
    let free = room.blocks_available() * room.fragment_size();
    if free < needed {
        let directory = directory.to_owned();
        return Err(IsoOutputProblem::NoRoom {
            directory,
            needed,
            free,
        }
        .into());
    }
    Ok(())
}

/// The directory of a file with an absolute path.
pub(super) fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}

/// Gives the finished image its name. What appeared there meanwhile is kept, and is an error.
pub(super) fn publish(new: &Path, out: &Path, named: &Path) -> Result<()> {
    let result = match renameat2(AT_FDCWD, new, AT_FDCWD, out, RenameFlags::RENAME_NOREPLACE) {
        // Not every file system can do both in one step.
        Err(Errno::EINVAL) if !out.exists() => fs::rename(new, out),
        Err(Errno::EINVAL | Errno::EEXIST) => return Err(IsoOutputProblem::Exists { out: named.to_owned() }.into()),
        other => other.map_err(Into::into),
    };
    result
        .and_then(|()| File::open(directory_of(out))?.sync_all())
        .with_context(|| format!("Failed to create {}", named.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_exists_is_not_overwritten_and_least_of_all_the_iso() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("a.iso"), "").unwrap();
        fs::hard_link(path("a.iso"), path("same.iso")).unwrap();
        std::os::unix::fs::symlink("a.iso", path("link.iso")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("broken.iso")).unwrap();
        let refused = |name: &str| require_new(&path("a.iso"), &path(name)).unwrap_err().to_string();
        for name in ["a.iso", "same.iso", "link.iso"] {
            assert!(refused(name).contains("is the ISO itself"), "{}", refused(name));
        }
        fs::write(path("b.iso"), "").unwrap();
        for name in [".", "..", "new/", "a.iso/"] {
            assert!(
                refused(name).contains("is the name of a directory"),
                "{}",
                refused(name)
            );
        }
        assert!(
            require_new(&path("a.iso"), Path::new("-"))
                .unwrap_err()
                .to_string()
                .contains("./-")
        );
        for name in ["b.iso", "broken.iso"] {
            assert!(refused(name).contains(" exists\n"), "{}", refused(name));
        }
        for (name, why) in [
            ("none/c.iso", "No such file or directory\n"),
            ("b.iso/c.iso", "Not a directory\n"),
        ] {
            assert!(refused(name).contains(why), "{}", refused(name));
        }
        let new = require_new(&path("a.iso"), &path("c.iso")).unwrap();
        assert_eq!(new, fs::canonicalize(directory.path()).unwrap().join("c.iso"));
        // Created meanwhile.
        let error = publish(&path("a.iso"), &path("b.iso"), &path("b.iso")).unwrap_err();
        assert!(error.to_string().contains(" exists\n"), "{error}");
        publish(&path("a.iso"), &new, &new).unwrap();
        assert!(new.exists() && !path("a.iso").exists());
    }

    #[test]
    fn too_little_space_is_reported_before_anything_is_written() {
        let directory = tempfile::tempdir().unwrap();
        require_room(directory.path(), 1).unwrap();
        let error = require_room(directory.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("not enough space in"), "{error}");
    }
}
