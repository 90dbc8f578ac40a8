//! There is no configuration to install where one is expected.

use std::path::{Path, PathBuf};

use super::flake::NAME_THE_HOST;
use super::{Text, error, warning};
use crate::text::similar;

/// Why the directory with the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceProblem {
    /// None of the standard `places` exists.
    Missing { places: Vec<PathBuf> },
    /// Neither entry point is there. `nested`: a directory one level down that has one.
    NoEntryPoint { path: PathBuf, nested: Option<PathBuf> },
    /// The place has configurations in the directories `hosts`, and `host` is none of them, or not named.
    Host { path: PathBuf, host: Option<String>, hosts: Vec<String> },
    /// system.nix is the only entry point.
    OnlySystemNix { path: PathBuf },
    /// system.nix is there beside configuration.nix, and no module.
    SystemNixBeside,
    /// `error`: what the system says.
    NotFound { path: PathBuf, error: String },
    BrokenLink { path: PathBuf, error: String },
    NoDirectory { path: PathBuf, error: String },
    /// A link that was made by another user than the owner of the directory `real`.
    ForeignLink { path: PathBuf, real: PathBuf },
}

impl SourceProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Missing { places } => {
                let list: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
                error("source-missing", "There is no configuration to install")
                    .because(format!("None of these directories exists: {}.", list.join(", ")))
                    .remedy(format!(
                        "Put your configuration (a directory with configuration.nix or flake.nix) at {}, or name it with --source.",
                        list.first().map_or("", String::as_str)
                    ))
            }
            Self::NoEntryPoint { path, nested } => {
                let nested = nested.as_ref().map(|inner| format!(" But {} has one.", inner.display()));
                error("source-empty", format!("{} is not a NixOS configuration", path.display()))
                    .because(format!(
                        "Its top directory has neither flake.nix nor configuration.nix.{}",
                        nested.unwrap_or_default()
                    ))
                    .remedy("Put the configuration itself there, not a directory around it; or remove the directory, and the next place is used.")
            }
            Self::Host { path, host, hosts } => several(path, host.as_deref(), hosts),
            Self::OnlySystemNix { path } => error(
                "source-system-nix",
                format!("{} has system.nix as its entry point, which cannot be installed", path.display()),
            )
            .because("system.nix (NixOS 26.05 and later) brings its own nixpkgs, and no lock says what of it an ISO needs.")
            .remedy(
                "Write a flake.nix beside it whose `nixosConfigurations.NAME` has the same modules, with nixpkgs as an input; or \
                 import the modules in a configuration.nix, which uses the nixpkgs of the ISO.",
            ),
            Self::SystemNixBeside => warning(
                "system-nix",
                "The system is installed from configuration.nix, but will be rebuilt from system.nix",
            )
            .because(
                "nixos-rebuild of NixOS 26.05 and later prefers system.nix, with the nixpkgs that it names; an ISO cannot be made \
                 from that file.",
            )
            .remedy(
                "If both describe the same system, there is nothing to do. Otherwise move what system.nix adds into \
                 configuration.nix, or write a flake.",
            ),
            Self::NotFound { path, error } => unusable(path, &format!("cannot be read: {error}"))
                .remedy("Check the spelling, and that the medium is mounted."),
            Self::BrokenLink { path, error } => {
                unusable(path, &format!("is a broken link: {error}")).remedy("Remove or correct the link.")
            }
            Self::NoDirectory { path, error } => {
                unusable(path, &format!("is not a readable directory: {error}")).remedy("Put a directory there.")
            }
            Self::ForeignLink { path, real } => unusable(
                path,
                &format!(
                    "is a link to {}, and was not made by the owner of that directory",
                    real.display()
                ),
            )
            .remedy("Remove the link and name the directory itself with --source."),
        }
    }
}

fn several(path: &Path, host: Option<&str>, hosts: &[String]) -> Text {
    let path = path.display();
    let text = match host {
        None => error("host-ambiguous", format!("{path} has several configurations")),
        Some(host) => {
            let similar = similar(host, hosts.iter().map(String::as_str));
            let similar = similar.map_or_else(String::new, |similar| format!("; did you mean `{similar}`?"));
            error("host-unknown", format!("{path} has no configuration for `{host}`{similar}"))
        }
    };
    text.because(format!("It has: {}.", hosts.join(", "))).remedy(NAME_THE_HOST)
}

fn unusable(path: &Path, what: &str) -> Text {
    error("source-unusable", format!("{} {what}", path.display()))
}
