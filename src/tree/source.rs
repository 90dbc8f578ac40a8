//! Which tree is installed, and of which kind it is.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};
use serde::{Deserialize, Serialize};

use crate::diagnostic::SourceProblem;
use crate::files::names;

/// The two standard places, the first that exists wins.
pub const STANDARD_PLACES: [&str; 2] = [OF_PERSON, "/iso/nix-cfg"];

/// How a person overrides what the ISO brought.
pub const OF_PERSON: &str = "/tmp/nix-cfg";

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
    /// The host that it is for, where it is one of several channel configurations in a directory.
    pub host: Option<String>,
    /// The open directory.
    pub dir: OwnedFd,
}

/// Chooses among `explicit` (with who named it, for the reason) and `standard`, in this order. A place may also have a channel
/// configuration for each of several hosts, in directories with their names: then that of `host`.
///
/// # Errors
/// A [`SourceProblem`]. A place that exists and is wrong is never passed over for the next.
pub fn choose(explicit: Option<(&Path, &str)>, standard: &[&Path], host: Option<&str>) -> Result<Source> {
    if let Some((path, named_by)) = explicit {
        return open_place(path, &format!("given by {named_by}"), host);
    }
    for (index, path) in standard.iter().enumerate() {
        match fs::symlink_metadata(path) {
            Ok(_) => {
                let reason = match index {
                    0 => "it exists, and has priority over all other places".to_owned(),
                    _ => format!("{} does not exist", standard[0].display()),
                };
                return open_place(path, &reason, host);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }
    let places = standard.iter().map(|path| path.to_path_buf()).collect();
    Err(SourceProblem::Missing { places }.into())
}

fn open_place(path: &Path, why: &str, host: Option<&str>) -> Result<Source> {
    let dir = open_directory(path)?;
    if let Some(found) = entry_point(&dir) {
        return Ok(source(path.to_owned(), why, dir, found));
    }
    let given = || path.to_owned();
    if has(&dir, SYSTEM_NIX) {
        return Err(SourceProblem::OnlySystemNix { path: given() }.into());
    }
    let hosts = hosts(path);
    let is_host = |host: &str| hosts.iter().any(|known| known == host);
    if let Some(host) = host.filter(|host| is_host(host)) {
        let inner = path.join(host);
        let opened = openat(&dir, host, DIRECTORY, Mode::empty()).map_err(|error| SourceProblem::NoDirectory {
            path: inner.clone(),
            error: error.desc().to_owned(),
        })?;
        if let Some(found) = entry_point(&opened) {
            return Ok(Source {
                host: Some(host.to_owned()),
                ..source(inner, why, opened, found)
            });
        }
    }
    Err(if hosts.len() > 1 {
        let host = host.map(str::to_owned);
        SourceProblem::Host {
            path: given(),
            host,
            hosts,
        }
    } else {
        let nested = nested(path);
        SourceProblem::NoEntryPoint { path: given(), nested }
    }
    .into())
}

fn has(dir: &OwnedFd, name: &str) -> bool {
    nix::sys::stat::fstatat(dir, name, nix::fcntl::AtFlags::empty()).is_ok()
}

/// Of which kind the configuration in `dir` is, and why.
fn entry_point(dir: &OwnedFd) -> Option<(ConfigKind, String)> {
    match (has(dir, FLAKE_NIX), has(dir, CONFIGURATION_NIX)) {
        (true, true) => Some((
            ConfigKind::Flake,
            format!("it has both {FLAKE_NIX} and {CONFIGURATION_NIX}, and {FLAKE_NIX} has priority"),
        )),
        (true, false) => Some((ConfigKind::Flake, format!("it has {FLAKE_NIX}"))),
        (false, true) => Some((ConfigKind::Channel, format!("it has {CONFIGURATION_NIX}"))),
        (false, false) => None,
    }
}

fn source(path: PathBuf, why: &str, dir: OwnedFd, (kind, what): (ConfigKind, String)) -> Source {
    let name = match kind {
        ConfigKind::Channel => "channel configuration",
        ConfigKind::Flake => "flake",
    };
    let reason = format!("Using the {name} {}: {why}; {what}.", path.display());
    Source {
        path,
        kind,
        reason,
        host: None,
        dir,
    }
}

/// The directories in `path` with a configuration.nix, sorted.
fn hosts(path: &Path) -> Vec<String> {
    let is_host = |name: &String| path.join(name).join(CONFIGURATION_NIX).exists();
    names(path).into_iter().filter(is_host).collect()
}

/// A directory one level down with an entry point: the usual mistake is one directory too many.
fn nested(path: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .find(|inner| inner.join(FLAKE_NIX).exists() || inner.join(CONFIGURATION_NIX).exists())
}

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

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
    let dir = open(&real, DIRECTORY, Mode::empty()).map_err(|error| SourceProblem::NoDirectory {
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
        let chosen = choose(None, &[first.path(), second.path()], None).unwrap();
        assert_eq!(
            (chosen.path.as_path(), chosen.kind),
            (first.path(), ConfigKind::Channel)
        );
        let gone = Path::new("/nonexistent/nix-cfg");
        let chosen = choose(None, &[gone, second.path()], None).unwrap();
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
        let chosen = choose(Some((both.path(), "--source")), &[], None).unwrap();
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
        let error = choose(None, &[wrong.path(), right.path()], None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("neither flake.nix nor configuration.nix"), "{error}");
        assert!(error.contains("inner has one"), "{error}");
    }

    #[test]
    fn a_system_nix_alone_is_called_what_it_is() {
        let only = tree(&[SYSTEM_NIX]);
        let error = choose(Some((only.path(), "--source")), &[], None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("has system.nix as its entry point"), "{error}");
        assert!(error.contains("Write a flake.nix beside it"), "{error}");
    }

    #[test]
    fn nothing_at_all_names_the_places_that_were_looked_at() {
        let error = choose(None, &[Path::new("/nonexistent/a"), Path::new("/nonexistent/b")], None).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/a, /nonexistent/b"), "{error}");
    }

    #[test]
    fn of_several_channel_configurations_the_host_selects_one() {
        let place = tree(&["gnome/configuration.nix", "none/configuration.nix", "modules/x.nix"]);
        let chosen = |host| choose(Some((place.path(), "--source")), &[], host);
        let gnome = chosen(Some("gnome")).unwrap();
        assert_eq!(
            (gnome.path, gnome.kind, gnome.host.as_deref()),
            (place.path().join("gnome"), ConfigKind::Channel, Some("gnome"))
        );
        for (host, what) in [
            (None, "has several configurations\n"),
            (Some("modules"), "has no configuration for `modules`\n"),
            (Some("gnome/../none"), "for `gnome/../none`"),
            (Some("gnom"), "for `gnom`; did you mean `gnome`?\n"),
        ] {
            let error = chosen(host).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("gnome, none"), "{error}");
        }
    }

    #[test]
    fn a_link_is_followed_only_when_the_owner_of_the_directory_made_it() {
        let real = tree(&[FLAKE_NIX]);
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("nix-cfg");
        symlink(real.path(), &link).unwrap();
        choose(Some((&link, "--source")), &[], None).unwrap();
        // Only root can give a link away; another user can make one to a directory of root's.
        if nix::unistd::geteuid().is_root() {
            lchown(&link, Some(4242), None).unwrap();
        } else {
            fs::remove_file(&link).unwrap();
            symlink("/usr", &link).unwrap();
        }
        let error = choose(Some((&link, "--source")), &[], None).unwrap_err();
        assert!(error.to_string().contains("not made by the owner"), "{error}");
    }
}
