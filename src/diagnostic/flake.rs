//! What is wrong with a flake's hosts, its lock and its inputs.

use super::iso_host::no_host;
use super::{Text, error};
use crate::text::similar;

/// Why a flake cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlakeProblem {
    /// It has no `nixosConfigurations`.
    NoHosts,
    /// `of_iso`: the host that the ISO was made for, if that is known.
    HostUnknown { host: String, hosts: Vec<String>, of_iso: Option<String> },
    HostAmbiguous { hosts: Vec<String> },
    /// Nix would have to write flake.lock.
    LockIncomplete,
    /// This Nix cannot read flake.lock. `said`: what it does not know, in its words.
    LockTooNew { feature: LockFeature, said: String },
    /// As [`Self::LockTooNew`], for one input.
    InputTooNew { name: String, url: String, reason: String },
    /// An input that Nix 2.25 or older has locked, and this Nix cannot read.
    InputTooOld { name: String, url: String },
    /// This Nix does not know the attribute `name` of an input in flake.nix.
    InputAttribute { name: String },
    /// Nix would have to download an input. `input`: as Nix names it, if it does.
    InputNotFetched { input: Option<String> },
    /// The source of a locked input is not in the store. `path`: the store path where it would be.
    InputMissing { name: String, url: String, path: String },
}

/// What an older Nix cannot read in flake.lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockFeature {
    /// An input at a relative path (Nix 2.26).
    RelativePath,
    /// An attribute of another input, or the version of the file.
    Other,
}

const MAKE_ISO_WITH_ITS_NIX: &str = "Make the ISO with the version of Nix that wrote the lock.";

/// An installation by an answers file takes no `--host`.
pub(super) const NAME_THE_HOST: &str = "Name one with --host NAME, or `host: NAME` in the settings or in the answers file.";

impl FlakeProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoHosts => error("host-none", "The flake has no nixosConfigurations")
                .because("Without one there is no system to install.")
                .remedy("Add `nixosConfigurations.NAME = nixpkgs.lib.nixosSystem { … };` to its outputs."),
            Self::HostUnknown { host, hosts, of_iso } => error("host-unknown", no_host(host, similar(host, hosts.iter().map(String::as_str))))
                .because(match of_iso {
                    Some(of_iso) => format!("{} This ISO was made for {of_iso}.", list(hosts)),
                    None => list(hosts),
                })
                .remedy(NAME_THE_HOST),
            Self::HostAmbiguous { hosts } => error(
                "host-ambiguous",
                "The flake has several hosts, and nothing says which one this machine is",
            )
            .because(list(hosts))
            .remedy(NAME_THE_HOST),
            Self::LockIncomplete => error(
                "flake-lock-incomplete",
                "flake.lock does not lock all inputs of the flake",
            )
            .because("Without a network, Nix can use only inputs that the lock names exactly.")
            .remedy("On a machine with a network, run `nix flake lock` in the configuration and make the ISO again."),
            Self::LockTooNew { said, .. } => error("flake-lock-too-new", "This version of Nix cannot read flake.lock")
                .because(said)
                .remedy(MAKE_ISO_WITH_ITS_NIX),
            Self::InputTooNew { name, url, reason } => error("flake-lock-too-new", unreadable(name, url))
                .because(reason)
                .remedy(MAKE_ISO_WITH_ITS_NIX),
            Self::InputTooOld { name, url } => error("flake-lock-too-old", unreadable(name, url))
                .because("Since Nix 2.26, an input at a relative path has a `parent` in the lock. An older Nix locked this one.")
                .remedy("Run `nix flake update` for this input with the version of Nix that is on the ISO, and make the ISO again."),
            Self::InputAttribute { name } => error(
                "flake-attribute-unknown",
                format!("This version of Nix does not know the attribute `{name}` of a flake input"),
            )
            .because("It is misspelt, or of a newer Nix: `inputs.self.submodules` and `inputs.self.lfs` need Nix 2.27 or newer.")
            .remedy(
                "Correct it, or make the ISO with a newer Nix: set `nix.package` of the live system in `modules` of the ISO's flake.nix.",
            ),
            Self::InputNotFetched { input } => error(
                "flake-input-missing",
                match input {
                    Some(input) => format!("The flake input {input} is not on this medium"),
                    None => "A flake input is not on this medium".to_owned(),
                },
            )
            .because("Nix would have to download its source, and the installation is offline. The input is missing from flake.lock or from the ISO.")
            .remedy("Run `nix flake lock` in the configuration and make the ISO from it again, or install with --online."),
            Self::InputMissing { name, url, path } => error(
                "flake-input-missing",
                format!("The flake input `{name}` ({url}) is not on this medium"),
            )
            .because(format!("Its source would be {path}, which does not exist. Without a network it cannot be fetched."))
            .remedy("Make the ISO from this configuration with this flake.lock, or install with --online."),
        }
    }
}

fn list(hosts: &[String]) -> String {
    format!("The flake has: {}.", hosts.join(", "))
}

fn unreadable(name: &str, url: &str) -> String {
    format!("This version of Nix cannot read how flake.lock locks the input `{name}` ({url})")
}
