//! The directory that `init` fills before anything appears under the final name.
//!
//! It is a sibling, which is renamed in one step: also over a directory that exists, if it is empty. One that is a mount point, or
//! the working directory, stays the one that it is: it gets the entries one by one, flake.nix last.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use super::flake_template::{INSTALLER_DIR, MANIFEST};
use crate::diagnostic::IsoDirectoryProblem;
use crate::live::mounts;
use crate::locked_directory::{self, LockedDirectory, remove_stale};
use crate::tree::source::FLAKE_NIX;

/// Temporary directories begin with this.
pub(super) const PREFIX: &str = ".nix-cfg-iso-";
/// Their permissions, less the umask.
pub(super) const MODE: u32 = 0o777;

/// Makes one in the ISO directory `dir`, and removes those that were left behind.
///
/// # Errors
/// When no directory can be made there.
pub(super) fn temporary_in(dir: &Path) -> Result<LockedDirectory> {
    LockedDirectory::create(dir, PREFIX, MODE)
        .with_context(|| format!("Failed to create a directory in {}", dir.display()))
}

/// A temporary directory; it is removed with this value, unless it was put into place.
pub(super) struct Staging {
    /// Without links and `..`.
    dir: PathBuf,
    /// Whether the temporary directory can take its name.
    is_sibling: bool,
    temporary: LockedDirectory,
}

impl Staging {
    /// Makes the temporary directory for `dir`, which must be new or empty, and removes those that were left behind.
    pub fn create(dir: &Path) -> Result<Self> {
        let is_new = require_usable(dir)?;
        let dir = real_path(dir)?;
        let parent = dir.parent().unwrap_or(&dir);
        if !is_new {
            remove_stale(&dir, PREFIX, MODE);
        }
        if is_new || can_be_replaced(&dir, parent) {
            fs::create_dir_all(parent).with_context(|| format!("Failed to create {}", parent.display()))?;
            match LockedDirectory::create(parent, PREFIX, MODE) {
                Ok(temporary) => {
                    let is_sibling = true;
                    return Ok(Self {
                        dir,
                        is_sibling,
                        temporary,
                    });
                }
                Err(error) if is_new => {
                    return Err(error).with_context(|| format!("Failed to create a directory in {}", parent.display()));
                }
                // It is somebody else's directory, with one of this user.
                Err(_) => {}
            }
        }
        let temporary = temporary_in(&dir)?;
        let is_sibling = false;
        Ok(Self {
            dir,
            is_sibling,
            temporary,
        })
    }

    /// The temporary directory.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives everything its final name. What appeared there meanwhile is kept, and is an error.
    pub fn publish(self) -> Result<()> {
        if self.is_sibling {
            match self.take_place() {
                Ok(()) => {
                    // It has another name now: nothing is to be removed.
                    let _ = self.temporary.keep();
                    return Ok(());
                }
                Err(error) if require_usable(&self.dir)? => {
                    return Err(error).with_context(|| format!("Failed to create {}", self.dir.display()));
                }
                Err(error) => log::debug!("{} is not replaced as a whole: {error}", self.dir.display()),
            }
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

    /// Renames the temporary directory; one that is there already must be empty, and gives its owner and permissions.
    fn take_place(&self) -> std::io::Result<()> {
        if let Ok(existing) = fs::metadata(&self.dir) {
            let own = fs::metadata(self.path())?;
            if (own.uid(), own.gid()) != (existing.uid(), existing.gid()) {
                chown(self.path(), Some(existing.uid()), Some(existing.gid()))?;
            }
            fs::set_permissions(self.path(), existing.permissions())?;
        }
        fs::rename(self.path(), &self.dir)
    }
}

/// Whether another directory in `parent` can take the place of `dir` unnoticed: it is not a mount point or a volume of its own,
/// and this process, which a person started in it, does not stay in the one that is removed.
fn can_be_replaced(dir: &Path, parent: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let is_inside = std::env::current_dir().is_ok_and(|current| current.starts_with(dir));
    !is_inside && device(dir) == device(parent) && mounts::at(dir).is_none()
}

/// The absolute path of `dir`, which need not exist, without links and `..`.
pub(super) fn real_path(dir: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(dir).context("Failed to find the working directory")?;
    let mut real = PathBuf::new();
    for part in absolute.components() {
        if part == Component::ParentDir {
            real.pop();
        } else {
            real.push(part);
            real = fs::canonicalize(&real).unwrap_or(real);
        }
    }
    Ok(real)
}

/// Fails unless `dir` does not exist (`true`) or is empty (`false`).
pub(super) fn require_usable(dir: &Path) -> Result<bool> {
    match names(dir) {
        Ok(names) => match names.into_iter().find(|name| !is_temporary(name)) {
            Some(entry) => Err(IsoDirectoryProblem::NotEmpty {
                dir: dir.to_owned(),
                entry: entry.into(),
                is_ours: dir.join(INSTALLER_DIR).join(MANIFEST).exists(),
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

/// Whether it is a name of a temporary directory: one in a configuration was left there by a process that was killed.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    locked_directory::is_name(name.as_encoded_bytes(), PREFIX)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

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
    fn an_empty_directory_is_replaced_in_one_step_and_keeps_its_permissions_and_a_link_to_it() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, link) = (parent.path().join("real"), parent.path().join("link"));
        fs::create_dir(&dir).unwrap();
        symlink(&dir, &link).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        drop(staged(&link));
        assert!(link.is_symlink() && list(&dir).is_empty());
        let staging = staged(&link);
        let inode = fs::metadata(staging.path()).unwrap().ino();
        staging.publish().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&dir).unwrap().ino(), inode);
        assert_eq!(list(&dir), ["flake.nix", "other"]);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_mount_point_and_the_working_directory_stay_the_ones_that_they_are() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("dir")).unwrap();
        assert!(can_be_replaced(&parent.path().join("dir"), parent.path()));
        assert!(!can_be_replaced(Path::new("/proc"), Path::new("/")));
        let current = std::env::current_dir().unwrap();
        assert!(!can_be_replaced(&current, current.parent().unwrap()));
        // As it is where the parent belongs to somebody else.
        let dir = parent.path().join("dir");
        let temporary = LockedDirectory::create(&dir, PREFIX, MODE).unwrap();
        fs::write(temporary.path().join(FLAKE_NIX), "new").unwrap();
        let is_sibling = false;
        let inside = Staging {
            dir: dir.clone(),
            is_sibling,
            temporary,
        };
        inside.publish().unwrap();
        assert_eq!(list(&dir), ["flake.nix"]);
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
