//! Which tree is installed, and of which kind it is.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};
use serde::{Deserialize, Serialize};

use crate::diagnostic::SourceProblem;

/// The two standard places, the first that exists wins. `/tmp/nix-cfg` is how a person overrides what the ISO brought.
pub const STANDARD_PLACES: [&str; 2] = ["/tmp/nix-cfg", "/iso/nix-cfg"];

/// Where the installed system has its configuration.
pub const ETC_NIXOS: &str = "/etc/nixos";

/// The file that makes a tree a channel configuration.
pub const CONFIGURATION_NIX: &str = "configuration.nix";
/// The file that makes a tree a flake.
pub const FLAKE_NIX: &str = "flake.nix";

/// The name that nixos-generate-config gives the file that describes a machine.
pub const HARDWARE_CONFIGURATION: &str = "hardware-configuration.nix";

/// An entry point of NixOS 26.05 and later: an expression that brings its own nixpkgs and gives a system, or several by name
/// (nixos-rebuild and nixos-install take it before configuration.nix). It is not installed from here: mostly it downloads
/// its nixpkgs while it is evaluated, and it cannot be evaluated by the flake that builds an ISO (`builtins.currentSystem`).
pub const SYSTEM_NIX: &str = "system.nix";

/// The two kinds of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigKind {
    /// `configuration.nix`, evaluated with the `<nixpkgs/nixos>` of the live system's channel.
    Channel,
    /// `flake.nix` with `nixosConfigurations`.
    Flake,
}

/// The directory of a configuration, opened so that nobody can replace it any more.
#[derive(Debug)]
pub struct Source {
    /// Its path, as it was named.
    pub path: PathBuf,
    pub kind: ConfigKind,
    /// Why this one, and why this kind: a sentence for the user.
    pub reason: String,
    /// The open directory.
    pub dir: OwnedFd,
}

/// Chooses among `explicit` (with who named it, for the reason) and `standard`, in this order.
///
/// # Errors
/// A [`SourceProblem`]. A place that exists and is wrong is never passed over for the next.
pub fn choose(explicit: Option<(&Path, &str)>, standard: &[&Path]) -> Result<Source> {
    if let Some((path, named_by)) = explicit {
        return open_source(path, &format!("given by {named_by}"));
    }
    for (index, path) in standard.iter().enumerate() {
        match fs::symlink_metadata(path) {
            Ok(_) => {
                let reason = match index {
                    0 => "it exists, and has priority over all other places".to_owned(),
                    _ => format!("{} does not exist", standard[0].display()),
                };
                return open_source(path, &reason);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }
    let places = standard.iter().map(|path| path.to_path_buf()).collect();
    Err(SourceProblem::Missing { places }.into())
}

fn open_source(path: &Path, why: &str) -> Result<Source> {
    let dir = open_directory(path)?;
    let has = |name| nix::sys::stat::fstatat(&dir, name, nix::fcntl::AtFlags::empty()).is_ok();
    let (kind, what) = match (has(FLAKE_NIX), has(CONFIGURATION_NIX)) {
        (true, true) => (
            ConfigKind::Flake,
            format!("it has both {FLAKE_NIX} and {CONFIGURATION_NIX}, and {FLAKE_NIX} has priority"),
        ),
        (true, false) => (ConfigKind::Flake, format!("it has {FLAKE_NIX}")),
        (false, true) => (ConfigKind::Channel, format!("it has {CONFIGURATION_NIX}")),
        (false, false) => {
            let path = path.to_owned();
            let problem = if has(SYSTEM_NIX) {
                SourceProblem::OnlySystemNix { path }
            } else {
                let nested = nested(&path);
                SourceProblem::NoEntryPoint { path, nested }
            };
            return Err(problem.into());
        }
    };
    let name = match kind {
        ConfigKind::Channel => "channel configuration",
        ConfigKind::Flake => "flake",
    };
    Ok(Source {
        path: path.to_owned(),
        kind,
        reason: format!("Using the {name} {}: {why}; {what}.", path.display()),
        dir,
    })
}

/// A directory one level down with an entry point: the usual mistake is one directory too many.
fn nested(path: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .find(|inner| inner.join(FLAKE_NIX).exists() || inner.join(CONFIGURATION_NIX).exists())
}

/// Opens the directory at `path`. A link is followed only if the owner of the directory made it: in /tmp anybody can make
/// one, and this program reads as root.
fn open_directory(path: &Path) -> Result<OwnedFd> {
    let (given, text) = (|| path.to_owned(), |error: std::io::Error| error.to_string());
    let seen = fs::symlink_metadata(path).map_err(|error| SourceProblem::NotFound {
        path: given(),
        error: text(error),
    })?;
    let real = if seen.is_symlink() {
        fs::canonicalize(path).map_err(|error| SourceProblem::BrokenLink {
            path: given(),
            error: text(error),
        })?
    } else {
        path.to_owned()
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let dir = open(&real, flags, Mode::empty()).map_err(|error| SourceProblem::NoDirectory {
        path: given(),
        error: error.desc().to_owned(),
    })?;
    if seen.is_symlink() {
        let owner = fstat(&dir)
            .with_context(|| format!("Failed to read {}", real.display()))?
            .st_uid;
        if owner != seen.uid() {
            return Err(SourceProblem::ForeignLink { path: given(), real }.into());
        }
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            fs::create_dir_all(directory.path().join(file).parent().unwrap()).unwrap();
            fs::write(directory.path().join(file), "{ }").unwrap();
        }
        directory
    }

    #[test]
    fn the_first_place_that_exists_wins_and_the_reason_is_given() {
        let (first, second) = (tree(&[CONFIGURATION_NIX]), tree(&[FLAKE_NIX]));
        let chosen = choose(None, &[first.path(), second.path()]).unwrap();
        assert_eq!(
            (chosen.path.as_path(), chosen.kind),
            (first.path(), ConfigKind::Channel)
        );
        let gone = Path::new("/nonexistent/nix-cfg");
        let chosen = choose(None, &[gone, second.path()]).unwrap();
        assert_eq!((chosen.path.as_path(), chosen.kind), (second.path(), ConfigKind::Flake));
        assert!(
            chosen
                .reason
                .contains("/nonexistent/nix-cfg does not exist; it has flake.nix"),
            "{}",
            chosen.reason
        );
    }

    #[test]
    fn a_tree_of_both_kinds_is_a_flake_and_says_so() {
        let both = tree(&[CONFIGURATION_NIX, FLAKE_NIX]);
        let chosen = choose(Some((both.path(), "--source")), &[]).unwrap();
        assert_eq!(chosen.kind, ConfigKind::Flake);
        assert!(
            chosen
                .reason
                .contains("given by --source; it has both flake.nix and configuration.nix"),
            "{}",
            chosen.reason
        );
    }

    #[test]
    fn a_first_place_without_a_configuration_is_an_error_and_not_passed_over() {
        let (wrong, right) = (tree(&["inner/flake.nix"]), tree(&[FLAKE_NIX]));
        let error = choose(None, &[wrong.path(), right.path()]).unwrap_err().to_string();
        assert!(error.contains("neither flake.nix nor configuration.nix"), "{error}");
        assert!(error.contains("inner has one"), "{error}");
    }

    #[test]
    fn a_system_nix_alone_is_called_what_it_is() {
        let only = tree(&[SYSTEM_NIX]);
        let error = choose(Some((only.path(), "--source")), &[]).unwrap_err().to_string();
        assert!(error.contains("has system.nix as its entry point"), "{error}");
        assert!(error.contains("Write a flake.nix beside it"), "{error}");
    }

    #[test]
    fn nothing_at_all_names_the_places_that_were_looked_at() {
        let error = choose(None, &[Path::new("/nonexistent/a"), Path::new("/nonexistent/b")]).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/a, /nonexistent/b"), "{error}");
    }

    #[test]
    fn a_link_is_followed_only_when_the_owner_of_the_directory_made_it() {
        let real = tree(&[FLAKE_NIX]);
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("nix-cfg");
        symlink(real.path(), &link).unwrap();
        choose(Some((&link, "--source")), &[]).unwrap();
        // Only root can give a link away; another user can make one to a directory of root's.
        if nix::unistd::geteuid().is_root() {
            lchown(&link, Some(4242), None).unwrap();
        } else {
            fs::remove_file(&link).unwrap();
            symlink("/usr", &link).unwrap();
        }
        let error = choose(Some((&link, "--source")), &[]).unwrap_err();
        assert!(error.to_string().contains("not made by the owner"), "{error}");
    }
}
