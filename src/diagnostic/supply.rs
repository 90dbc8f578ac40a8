//! What the installation medium does not have, and damage to it.

use std::path::PathBuf;

use super::{Text, error};

/// What the medium lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupplyProblem {
    /// Nix would have to download something. `name`: of the derivation that would download it; `urls`: all that Nix names;
    /// `wanted_by`: names of the derivations that need it, the nearest first.
    Download { name: Option<String>, urls: Vec<String>, wanted_by: Vec<String> },
    /// The configuration itself downloads something while it is evaluated.
    Fetch { url: String },
    /// As [`Self::Fetch`], with the builtin `function` and without a hash, which a pure evaluation needs.
    FetchWithoutHash { function: String },
    /// There is no nixpkgs to evaluate a channel configuration with.
    NixpkgsMissing,
    /// `<NAME/…>` for a channel that does not exist.
    ChannelMissing { name: String },
    /// `<CHANNEL/FILE>` for a file that the channel does not have.
    ChannelFileMissing { channel: String, file: String },
    /// The directory that the setting `channels` names.
    NoChannels { directory: PathBuf },
    /// The directory that the setting `nixpkgs` names has no file `wanted`.
    NoNixpkgs { directory: PathBuf, wanted: &'static str },
    Damaged(Damage),
}

/// How it shows that the medium is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The kernel cannot read a file; not every program says which.
    Unreadable { file: Option<String> },
    /// A flake input has another hash than flake.lock says.
    Input { name: String },
    /// A store path has another hash than the store's database says, also when read a second time.
    Path { path: String },
}

const AS_CHANNEL: &str = "Or make it a channel: look it up as <NAME/…>, and name it with `nix-cfg-iso init … --channel NAME=FLAKEREF`; \
                          in a flake, an input.";

const REMAKE: &str = "Make the ISO again with `nix-cfg-iso init … --channel";

impl SupplyProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Download { name, urls, wanted_by } => download(name.as_deref(), urls, wanted_by),
            Self::Fetch { url } => error(
                "fetch-while-evaluating",
                format!("The configuration downloads {url} while it is evaluated"),
            )
            .because("It is not on this medium, and the installation is offline. Only what has a hash can be put on an ISO.")
            .remedy(format!(
                "Give it a hash (`sha256 = …;`), and add it to `modules` in the ISO's flake.nix: {{ offlineInstaller.extraStorePaths = \
                 [ (builtins.fetchTarball {{ url = …; sha256 = …; }}) ]; }}. {AS_CHANNEL} With a network: --online."
            )),
            Self::FetchWithoutHash { function } => error(
                "fetch-without-hash",
                format!("`{function}` downloads something without a hash"),
            )
            .because("An ISO is evaluated purely, and on the target without a network: only what has a hash is the same on both.")
            .remedy(format!(
                "Give it a hash: `{function} {{ url = …; sha256 = …; }}` (`nix-prefetch-url --unpack URL` prints that of a tarball). {AS_CHANNEL}"
            )),
            Self::NixpkgsMissing => error("nixpkgs-missing", "There is no nixpkgs on this medium")
                .because("A channel configuration is evaluated with the live system's `nixos` channel, and there is none.")
                .remedy("Name a nixpkgs with `nixpkgs: PATH` in the settings, or make the ISO again."),
            Self::ChannelMissing { name } => error(
                "lookup-path",
                format!("The configuration looks up <{name}>, and there is no such channel"),
            )
            .because("The ISO has its own copy of each channel, and it was made without this one. A flake has no channels.")
            .remedy(format!("{REMAKE} {name}=FLAKEREF`. In a flake, use an input.")),
            Self::ChannelFileMissing { channel, file } => error(
                "lookup-file",
                format!("The configuration looks up <{channel}/{file}>, and the channel `{channel}` has no {file}"),
            )
            .because("The path is misspelt, or it belongs to another release of the channel.")
            .remedy("Correct or remove it."),
            Self::NoChannels { directory } => error("settings", format!("{} is not a directory", directory.display()))
                .because("The settings name it with `channels`.")
                .remedy("Correct the path, or remove the setting: then only the live system's channels are used."),
            Self::NoNixpkgs { directory, wanted } => {
                error("settings", format!("There is no nixpkgs at {}", directory.display()))
                    .because(format!("The settings name it with `nixpkgs`, and it has no {wanted}."))
                    .remedy("Correct the path, or remove the setting: then the live system's channel is used.")
            }
            Self::Damaged(damage) => error("medium-damaged", "The installation medium is damaged")
                .because(match damage {
                    Damage::Unreadable { file } => {
                        format!("{} cannot be read.", file.as_deref().unwrap_or("One of its files"))
                    }
                    Damage::Input { name } => {
                        format!("The source of the flake input {name} is not the one that flake.lock names.")
                    }
                    Damage::Path { path } => {
                        format!("{path} was read twice and is not what it was when the ISO was made.")
                    }
                })
                .remedy(
                    "Compare the check sum of the stick with the ISO's. Write it again or use another stick, and run the \
                     command again. `nix-cfg-install --verify-store` checks all that an installation needs.",
                ),
        }
    }
}

fn download(name: Option<&str>, urls: &[String], wanted_by: &[String]) -> Text {
    let from = urls.first().map_or("the network", String::as_str);
    error(
        "not-on-medium",
        format!("{} is not on this medium", name.unwrap_or("Something that the system needs")),
    )
    .because(format!(
        "It would have to be downloaded from {from}, and the installation is offline.{}",
        needed_for(wanted_by)
    ))
    .remedy("Remove the package that needs it from the configuration, or make the ISO from this configuration. With a network: --online.")
}

/// A sentence that names what could not be built, the nearest first.
pub(super) fn needed_for(wanted_by: &[String]) -> String {
    if wanted_by.is_empty() {
        String::new()
    } else {
        format!(" It is needed for: {}.", wanted_by.join(" → "))
    }
}
