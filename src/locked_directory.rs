//! A temporary directory that is removed at the end of the run, or by the next one if this one is killed.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};
use tempfile::TempDir;

use crate::files::temporary;

/// A directory whose lock is held as long as it is in use. It is removed with this value.
#[derive(Debug)]
pub struct LockedDirectory {
    temporary: TempDir,
    _lock: Flock<File>,
}

/// How many random characters follow the prefix.
const RANDOM: usize = 6;

impl LockedDirectory {
    /// Makes one in `parent`, with the permissions `mode` (the umask applies), and removes those that killed runs of the same
    /// user left there. Their names begin with `prefix`.
    ///
    /// # Errors
    /// When no directory can be made in `parent`.
    pub fn create(parent: &Path, prefix: &str, mode: u32) -> std::io::Result<Self> {
        remove_stale(parent, prefix, mode);
        loop {
            let temporary = tempfile::Builder::new()
                .prefix(prefix)
                .rand_bytes(RANDOM)
                .permissions(Permissions::from_mode(mode))
                .tempdir_in(parent)?;
            // Another run may take it for a stale one before it is locked.
            if let Some(lock) = lock(temporary.path()) {
                return Ok(Self { temporary, _lock: lock });
            }
        }
    }

    /// One in the directory for temporary files, which only this user can reach.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn private() -> std::io::Result<Self> {
        Self::create(&temporary(), "nix-cfg-install.", 0o700)
    }

    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Leaves the directory where it is.
    pub fn keep(self) -> PathBuf {
        self.temporary.keep()
    }
}

/// Whether [`LockedDirectory::create`] can have given this name.
pub fn is_name(name: &[u8], prefix: &str) -> bool {
    let random = name.strip_prefix(prefix.as_bytes());
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
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

/// Removes the directories that [`LockedDirectory::create`] made in `parent` for processes that are gone. Anybody can make a directory of that name in /tmp: only one of this
/// user, with no permission besides `mode`, is touched, and no link is followed.
pub fn remove_stale(parent: &Path, prefix: &str, mode: u32) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !is_name(entry.file_name().as_encoded_bytes(), prefix) {
            continue;
        }
        let Some(lock) = lock(&entry.path()) else { continue };
        let is_own = lock
            .metadata()
            .is_ok_and(|meta| meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o777 & !mode == 0);
        if is_own && let Err(error) = fs::remove_dir_all(entry.path()) {
            log::debug!("{} stays: {error}", entry.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PREFIX: &str = "nix-cfg-install.";

    #[test]
    fn the_directory_of_a_killed_run_is_removed_by_the_next_and_nothing_else_is() {
        let temporary = tempfile::tempdir().unwrap();
        let path = |name: &str| temporary.path().join(name);
        let directory = |name: &str, mode: u32| {
            fs::create_dir_all(path(name).join("configuration")).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        directory("nix-cfg-install.killed", 0o700);
        directory("nix-cfg-install.others", 0o755);
        directory("nix-cfg-install.of-a-person", 0o700);
        directory("other", 0o700);
        fs::write(path("nix-cfg-install.a-file"), "").unwrap();
        fs::write(path("nix-cfg-install.afile1"), "").unwrap();
        symlink(path("other"), path("nix-cfg-install.alink1")).unwrap();
        let create = |mode| LockedDirectory::create(temporary.path(), PREFIX, mode).unwrap();
        let first = create(0o700);
        assert_eq!(fs::read_dir(first.path()).unwrap().count(), 0);
        assert_eq!(first.path().metadata().unwrap().mode() & 0o777, 0o700);
        assert!(is_name(first.path().file_name().unwrap().as_encoded_bytes(), PREFIX));
        assert!(!path("nix-cfg-install.killed").exists());
        for name in ["others", "of-a-person", "a-file", "afile1", "alink1"] {
            assert!(path(&format!("nix-cfg-install.{name}")).exists(), "{name}");
        }
        assert!(path("other/configuration").is_dir());
        // One that is in use stays.
        let second = create(0o777);
        assert!(first.path().is_dir() && !path("nix-cfg-install.others").exists());
        let gone = second.path().to_owned();
        drop(second);
        assert!(!gone.exists());
    }
}
