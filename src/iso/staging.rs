//! The directory that `init` fills before anything appears under the final name.
//!
//! For a new directory it is a sibling, which is renamed in one step. A directory that exists, and is empty, stays the one that
//! it is (it may be a mount point, or the working directory of a shell): it gets the entries one by one, flake.nix last.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

use crate::diagnostic::IsoDirectoryProblem;
use crate::tree::source::FLAKE_NIX;

/// Temporary directories begin with this. One whose lock is free was left behind by a process that was killed.
const PREFIX: &str = ".nix-cfg-iso-";

/// A temporary directory; it is removed with this value, unless it was put into place.
pub(super) struct Staging {
    dir: PathBuf,
    is_new: bool,
    temporary: TempDir,
    /// Held as long as the directory is in use.
    _lock: Flock<File>,
}

impl Staging {
    /// Makes the temporary directory for `dir`, which must be new or empty, and removes those that were left behind.
    pub fn create(dir: &Path) -> Result<Self> {
        let is_new = require_usable(dir)?;
        let dir = std::path::absolute(dir).context("Failed to find the working directory")?;
        let parent = match dir.parent() {
            Some(parent) if is_new => parent.to_owned(),
            _ => dir.clone(),
        };
        fs::create_dir_all(&parent).with_context(|| format!("Failed to create {}", parent.display()))?;
        remove_left_behind(&parent);
        let (temporary, lock) =
            temporary_in(&parent).with_context(|| format!("Failed to create a directory in {}", parent.display()))?;
        Ok(Self {
            dir,
            is_new,
            temporary,
            _lock: lock,
        })
    }

    /// The temporary directory.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives everything its final name. What appeared there meanwhile is kept, and is an error.
    pub fn publish(self) -> Result<()> {
        if self.is_new {
            if let Err(error) = fs::rename(self.path(), &self.dir) {
                require_usable(&self.dir)?;
                return Err(error).with_context(|| format!("Failed to create {}", self.dir.display()));
            }
            // It has another name now: nothing is to be removed.
            let _ = self.temporary.keep();
            return Ok(());
        }
        let what = || format!("Failed to write to {}", self.dir.display());
        let lock = File::open(&self.dir).with_context(what)?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .with_context(what)?;
        require_usable(&self.dir)?;
        let mut names: Vec<OsString> = names(self.path()).with_context(what)?;
        names.sort_by_key(|name| name == FLAKE_NIX);
        for (index, name) in names.iter().enumerate() {
            if let Err(error) = fs::rename(self.path().join(name), self.dir.join(name)) {
                for name in &names[..index] {
                    // Back into the temporary directory, which is removed.
                    fs::rename(self.dir.join(name), self.path().join(name)).with_context(what)?;
                }
                return Err(error).with_context(what);
            }
        }
        Ok(())
    }
}

/// Fails unless `dir` does not exist (`true`) or is empty (`false`).
pub(super) fn require_usable(dir: &Path) -> Result<bool> {
    match names(dir) {
        Ok(names) => match names.into_iter().find(|name| !is_temporary(name)) {
            Some(entry) => Err(IsoDirectoryProblem::NotEmpty {
                dir: dir.to_owned(),
                entry: entry.into(),
            }
            .into()),
            None => Ok(false),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::read_link(dir) {
            Ok(target) => Err(IsoDirectoryProblem::BrokenLink {
                dir: dir.to_owned(),
                target,
            }
            .into()),
            Err(_) => Ok(true),
        },
        Err(error) if error.kind() == ErrorKind::NotADirectory && dir.exists() => {
            Err(IsoDirectoryProblem::NotADirectory { dir: dir.to_owned() }.into())
        }
        Err(error) => Err(error).with_context(|| format!("Failed to read {}", dir.display())),
    }
}

fn names(dir: &Path) -> std::io::Result<Vec<OsString>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn is_temporary(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(PREFIX)
}

/// A new directory in `parent`, locked. Another process may take it for one that was left behind before it is locked.
fn temporary_in(parent: &Path) -> std::io::Result<(TempDir, Flock<File>)> {
    loop {
        let temporary = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o777)) // The umask applies.
            .tempdir_in(parent)?;
        let file = match File::open(temporary.path()) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file?,
        };
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
        if temporary.path().exists() {
            return Ok((temporary, lock));
        }
    }
}

/// Removes the temporary directories in `parent` that no process uses. One that cannot be removed does no harm.
fn remove_left_behind(parent: &Path) {
    for name in names(parent)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| is_temporary(name))
    {
        let path = parent.join(name);
        let free = File::open(&path).map(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock));
        if let Ok(Ok(_lock)) = free
            && path.is_dir()
        {
            log::debug!("removing {}, which an earlier run left behind", path.display());
            drop(fs::remove_dir_all(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A staging directory with two files.
    fn staged(dir: &Path) -> Staging {
        let staging = Staging::create(dir).unwrap();
        for name in [FLAKE_NIX, "other"] {
            fs::write(staging.path().join(name), "new").unwrap();
        }
        staging
    }

    fn list(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = names(dir)
            .unwrap()
            .iter()
            .map(|name| name.to_string_lossy().into())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_appears_before_it_is_complete_and_nothing_is_left_of_a_failure() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/iso");
        let staging = staged(&dir);
        assert!(!dir.exists());
        drop(staging);
        assert_eq!(list(&parent.path().join("a")), [""; 0]);
        staged(&dir).publish().unwrap();
        assert_eq!(list(&dir), ["flake.nix", "other"]);
        assert_eq!(list(&parent.path().join("a")), ["iso"]);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o500, 0o500);
    }

    #[test]
    fn an_empty_directory_stays_the_same_one_also_behind_a_link() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, link) = (parent.path().join("real"), parent.path().join("link"));
        fs::create_dir(&dir).unwrap();
        symlink(&dir, &link).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        drop(staged(&link));
        assert!(link.is_symlink() && list(&dir).is_empty());
        staged(&link).publish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(list(&dir), ["flake.nix", "other"]);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn of_two_at_once_the_first_wins_and_loses_nothing() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["new", "existing"] {
            let dir = parent.path().join(name);
            if name == "existing" {
                fs::create_dir(&dir).unwrap();
            }
            let (one, two) = (staged(&dir), staged(&dir));
            fs::write(two.path().join(FLAKE_NIX), "second").unwrap();
            one.publish().unwrap();
            let error = two.publish().unwrap_err().to_string();
            assert!(error.contains("is not empty"), "{error}");
            assert_eq!(list(&dir), ["flake.nix", "other"]);
            assert_eq!(fs::read_to_string(dir.join(FLAKE_NIX)).unwrap(), "new");
        }
        assert_eq!(list(parent.path()), ["existing", "new"]);
    }

    #[test]
    fn what_a_killed_process_left_behind_is_removed_and_what_is_in_use_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join(".nix-cfg-iso-killed");
        fs::create_dir_all(left.join("nix-cfg")).unwrap();
        let mine = parent.path().join(".nix-cfg-iso-file");
        fs::write(&mine, "not a directory").unwrap();
        let used = staged(&parent.path().join("used"));
        let dir = parent.path().join("iso");
        staged(&dir).publish().unwrap();
        assert!(!left.exists() && mine.exists());
        used.publish().unwrap();
        // The same in the directory itself.
        let empty = parent.path().join("empty");
        fs::create_dir_all(empty.join(".nix-cfg-iso-killed")).unwrap();
        staged(&empty).publish().unwrap();
        assert_eq!(list(&empty), ["flake.nix", "other"]);
    }

    #[test]
    fn what_exists_is_never_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let refused = |name: &str| require_usable(&parent.path().join(name)).unwrap_err().to_string();
        fs::write(parent.path().join("file"), "mine").unwrap();
        assert!(refused("file").contains("is not a directory"));
        symlink("nowhere", parent.path().join("broken")).unwrap();
        assert!(refused("broken").contains("nowhere, which does not exist"));
        fs::create_dir_all(parent.path().join("full/mine")).unwrap();
        assert!(refused("full").contains("It contains mine."));
        // Created while init was running.
        let staging = staged(&parent.path().join("late"));
        fs::write(parent.path().join("late"), "mine").unwrap();
        staging.publish().unwrap_err();
        assert_eq!(fs::read_to_string(parent.path().join("late")).unwrap(), "mine");
    }
}
