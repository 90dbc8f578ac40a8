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

use crate::diagnostic::Diagnostic;

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

/// A tree that was found, opened so that nobody can exchange it any more.
#[derive(Debug)]
pub struct Source {
    /// Where it lies.
    pub path: PathBuf,
    /// What it is.
    pub kind: ConfigKind,
    /// Why this one, and why this kind: a sentence for the user.
    pub reason: String,
    /// The folder itself.
    pub dir: OwnedFd,
}

/// Chooses among `explicit` (with who named it, for the reason) and `standard`, in this order.
///
/// # Errors
/// A [`Diagnostic`]: nothing is there; what is there is no folder, is no configuration, or is a link that the folder's
/// owner did not make. A place that exists and is wrong is never passed over for the next.
pub fn choose(explicit: Option<(&Path, &str)>, standard: &[&Path]) -> Result<Source> {
    if let Some((path, named_by)) = explicit {
        return open_source(path, &format!("it was named by {named_by}"));
    }
    for (index, path) in standard.iter().enumerate() {
        match fs::symlink_metadata(path) {
            Ok(_) => {
                let reason = match index {
                    0 => "it exists, and goes before all other places".to_owned(),
                    _ => format!("{} does not exist", standard[0].display()),
                };
                return open_source(path, &reason);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be looked at", path.display())),
        }
    }
    let places: Vec<String> = standard.iter().map(|path| path.display().to_string()).collect();
    Err(
        Diagnostic::error("source-missing", "There is no configuration to install")
            .because(format!("Neither of these folders exists: {}.", places.join(", ")))
            .remedy(format!(
                "Put your configuration (a folder with {CONFIGURATION_NIX} or {FLAKE_NIX}) at {}, or name it with --source.",
                places.first().map_or("", String::as_str)
            ))
            .into(),
    )
}

fn open_source(path: &Path, why: &str) -> Result<Source> {
    let dir = open_folder(path)?;
    let has = |name| nix::sys::stat::fstatat(&dir, name, nix::fcntl::AtFlags::empty()).is_ok();
    let (kind, what) = match (has(FLAKE_NIX), has(CONFIGURATION_NIX)) {
        (true, true) => (
            ConfigKind::Flake,
            format!("{FLAKE_NIX} goes before {CONFIGURATION_NIX}, it has both"),
        ),
        (true, false) => (ConfigKind::Flake, format!("it has {FLAKE_NIX}")),
        (false, true) => (ConfigKind::Channel, format!("it has {CONFIGURATION_NIX}")),
        (false, false) if has(SYSTEM_NIX) => return Err(only_system(path).into()),
        (false, false) => {
            return Err(Diagnostic::error("source-empty", format!("{} is not a NixOS configuration", path.display()))
                .because(format!("It has neither {FLAKE_NIX} nor {CONFIGURATION_NIX} at its top. {}", nested(path)))
                .remedy("Put the configuration itself there (not the folder around it), or remove the folder to use the next place.")
                .into());
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

fn only_system(path: &Path) -> Diagnostic {
    Diagnostic::error(
        "source-system-nix",
        format!("{} has {SYSTEM_NIX} as its entry point, which cannot be installed from here", path.display()),
    )
    .because(format!(
        "{SYSTEM_NIX} (NixOS 26.05 and later) brings a nixpkgs of its own, and no lock says what of it an ISO has to hold."
    ))
    .remedy(format!(
        "Write a {FLAKE_NIX} beside it whose `nixosConfigurations.NAME` has the same modules, with the nixpkgs as an input; or \
         put the modules into a {CONFIGURATION_NIX}, which takes the nixpkgs of the ISO."
    ))
}

/// Names a folder one level down that would do: the usual mistake is one folder too many.
fn nested(path: &Path) -> String {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let found = entries
        .map(|entry| entry.path())
        .find(|inner| inner.join(FLAKE_NIX).exists() || inner.join(CONFIGURATION_NIX).exists());
    found.map_or_else(String::new, |inner| format!("But {} has one.", inner.display()))
}

/// Opens the folder at `path`. A link is followed only if the owner of the folder made it: in /tmp anybody can make
/// one, and this program reads as root.
fn open_folder(path: &Path) -> Result<OwnedFd> {
    let refuse = |what: &str, remedy: &str| {
        let problem = Diagnostic::error("source-unusable", format!("{} {what}", path.display())).remedy(remedy);
        anyhow::Error::from(problem)
    };
    let seen = fs::symlink_metadata(path).map_err(|error| {
        refuse(
            &format!("cannot be looked at: {error}"),
            "Check the spelling, and that the medium is mounted.",
        )
    })?;
    let real = if seen.is_symlink() {
        fs::canonicalize(path)
            .map_err(|error| refuse(&format!("is a broken link: {error}"), "Remove the link, or mend it."))?
    } else {
        path.to_owned()
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let dir = open(&real, flags, Mode::empty()).map_err(|error| {
        refuse(
            &format!("is not a folder that can be read: {}", error.desc()),
            "Put a folder there.",
        )
    })?;
    if seen.is_symlink() {
        let owner = fstat(&dir)
            .with_context(|| format!("Failed to look at {}", real.display()))?
            .st_uid;
        if owner != seen.uid() {
            return Err(refuse(
                &format!(
                    "is a link to {} that somebody else made than the owner of that folder",
                    real.display()
                ),
                "Remove the link and name the folder itself with --source.",
            ));
        }
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::create_dir_all(folder.path().join(file).parent().unwrap()).unwrap();
            fs::write(folder.path().join(file), "{ }").unwrap();
        }
        folder
    }

    #[test]
    fn the_first_place_that_exists_wins_and_the_reason_is_said() {
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
                .contains("it was named by --source; flake.nix goes before"),
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
    fn a_link_is_followed_only_when_the_owner_of_the_folder_made_it() {
        let real = tree(&[FLAKE_NIX]);
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("nix-cfg");
        symlink(real.path(), &link).unwrap();
        choose(Some((&link, "--source")), &[]).unwrap();
        lchown(&link, Some(4242), None).expect("the tests of ownership need root");
        let error = choose(Some((&link, "--source")), &[]).unwrap_err();
        assert!(error.to_string().contains("somebody else made"), "{error}");
    }
}
