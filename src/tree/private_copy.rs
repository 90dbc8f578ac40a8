//! Where the private copy of a tree is: a directory that only root can reach, removed at the end of the run, or by the next one
//! if this one is killed.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg, OFlag};
use tempfile::TempDir;

const PREFIX: &str = "nix-cfg-install.";
const MODE: u32 = 0o700;

/// An empty directory in one with mode 0700. It is removed with this value.
#[derive(Debug)]
pub struct PrivateCopy {
    path: PathBuf,
    _outer: TempDir,
    /// Held as long as the directory is in use.
    _lock: Flock<File>,
}

impl PrivateCopy {
    /// Makes one in `temporary`, and removes those that killed runs of the same user left there.
    pub fn new(temporary: &Path) -> Result<Self> {
        let what = || format!("Failed to make a directory in {}", temporary.display());
        remove_stale(temporary);
        loop {
            let outer = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(fs::Permissions::from_mode(MODE))
                .tempdir_in(temporary)
                .with_context(what)?;
            // Another run may take it for a stale one before it is locked.
            if let Some(lock) = lock(outer.path()) {
                let path = outer.path().join("configuration");
                fs::create_dir(&path).with_context(what)?;
                return Ok(Self {
                    path,
                    _outer: outer,
                    _lock: lock,
                });
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The lock of the directory at `path`; `None` where another process holds it, or it is no longer there.
fn lock(path: &Path) -> Option<Flock<File>> {
    let mut options = File::options();
    options
        .read(true)
        .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits());
    let lock = Flock::lock(options.open(path).ok()?, FlockArg::LockExclusiveNonblock).ok()?;
    let (opened, named) = (lock.metadata().ok()?, fs::symlink_metadata(path).ok()?);
    ((opened.dev(), opened.ino()) == (named.dev(), named.ino())).then_some(lock)
}

/// Removes the directories of processes that are gone. Anybody can make a directory of that name in /tmp: only one of this
/// user, with the mode that [`PrivateCopy::new`] gives it, is touched, and no link is followed.
fn remove_stale(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Some(lock) = lock(&entry.path()) else { continue };
        let is_own = lock
            .metadata()
            .is_ok_and(|meta| meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o7777 == MODE);
        if is_own && let Err(error) = fs::remove_dir_all(entry.path()) {
            log::debug!("{} stays: {error}", entry.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_copy_of_a_killed_run_is_removed_by_the_next_and_nothing_else_is() {
        let temporary = tempfile::tempdir().unwrap();
        let path = |name: &str| temporary.path().join(name);
        let directory = |name: &str, mode: u32| {
            fs::create_dir_all(path(name).join("configuration")).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        directory("nix-cfg-install.killed", 0o700);
        directory("nix-cfg-install.of-another-kind", 0o755);
        directory("other", 0o700);
        fs::write(path("nix-cfg-install.file"), "").unwrap();
        symlink(path("other"), path("nix-cfg-install.link")).unwrap();
        let first = PrivateCopy::new(temporary.path()).unwrap();
        assert_eq!(fs::read_dir(first.path()).unwrap().count(), 0);
        let above = first.path().parent().unwrap().metadata().unwrap();
        assert_eq!(above.mode() & 0o777, 0o700);
        assert!(!path("nix-cfg-install.killed").exists());
        for name in ["of-another-kind", "file", "link"] {
            assert!(path(&format!("nix-cfg-install.{name}")).exists(), "{name}");
        }
        assert!(path("other/configuration").is_dir());
        // One that is in use stays.
        let second = PrivateCopy::new(temporary.path()).unwrap();
        assert!(first.path().is_dir());
        let gone = second.path().to_owned();
        drop(second);
        assert!(!gone.parent().unwrap().exists());
    }
}
