//! The directory that `nix-cfg-iso init` writes, or that its other commands are given.

use std::path::{Path, PathBuf};

use super::{Text, error};
use crate::text::shell_word;

/// Why a directory cannot be written or used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoDirectoryProblem {
    InsideConfiguration { dir: PathBuf },
    /// The other way round.
    ConfigurationInside { dir: PathBuf, config: PathBuf },
    /// It contains something; `entry` is one of its names. `is_ours`: this program wrote it.
    NotEmpty { dir: PathBuf, entry: PathBuf, is_ours: bool },
    NotADirectory { dir: PathBuf },
    /// It is a symbolic link to something that does not exist.
    BrokenLink { dir: PathBuf, target: PathBuf },
    /// It was not written by this program: it has no `manifest`.
    NoManifest { dir: PathBuf, manifest: PathBuf },
    /// Its record is not what this program writes.
    ManifestDamaged { dir: PathBuf },
    /// It has no configuration, or one without an entry point. `from`: what was copied, if that is known and there.
    NoConfiguration { dir: PathBuf, from: Option<PathBuf> },
    /// `init` wrote these `files`, and the ISO cannot be built without them.
    FilesMissing { dir: PathBuf, files: Vec<PathBuf> },
}

impl IsoDirectoryProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::InsideConfiguration { dir } => {
                error("directory-inside", format!("{} is inside the configuration", dir.display()))
                    .because("The configuration is copied into that directory, which would be part of the configuration.")
                    .remedy("Name a directory outside of the configuration.")
            }
            Self::ConfigurationInside { dir, config } => {
                error("configuration-inside", format!("{} is inside {}", config.display(), dir.display()))
                    .because("What is there was copied from the configuration, and is replaced by the next copy.")
                    .remedy("Name the directory in which you edit the configuration.")
            }
            Self::NotEmpty { dir, entry, is_ours } => not_empty(dir, entry, *is_ours),
            Self::NotADirectory { dir } => {
                error("directory-unusable", format!("{} exists and is not a directory", dir.display()))
                    .because("Existing files are not overwritten.")
                    .remedy("Name a new directory.")
            }
            Self::BrokenLink { dir, target } => error(
                "directory-unusable",
                format!("{} is a symbolic link to {}, which does not exist", dir.display(), target.display()),
            )
            .remedy("Create the directory that the link points to, or name a new directory."),
            Self::NoManifest { dir, manifest } => {
                error("not-emitted", format!("{} was not written by nix-cfg-iso", dir.display()))
                    .because(format!("It has no {}.", manifest.display()))
                    .remedy("Name the directory that `nix-cfg-iso init` wrote, or write one with that command.")
            }
            Self::ManifestDamaged { dir } => {
                error("manifest-damaged", format!("The record of {} is damaged", dir.display()))
                    .because("It says what nix-cfg-iso wrote and copied, and was edited or cut off.")
                    .remedy(
                        "Restore the file from a backup or from Git, or write a new directory with `nix-cfg-iso init` and copy your \
                         flake.nix there.",
                    )
            }
            Self::NoConfiguration { dir, from } => {
                let refresh = format!("nix-cfg-iso refresh {}", shell_word(dir.as_os_str()));
                error("iso-configuration-missing", format!("The ISO directory {} has no configuration", dir.display()))
                    .because("Its directory nix-cfg is missing, or has neither flake.nix nor configuration.nix.")
                    .remedy(match from {
                        Some(from) => format!("`{refresh}` copies it again from {}.", from.display()),
                        None => format!("Copy it again: {refresh} --config TREE"),
                    })
            }
            Self::FilesMissing { dir, files } => {
                let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                error("iso-files-missing", format!("Files of the ISO's flake are missing: {}", names.join(", ")))
                    .because("`nix-cfg-iso init` wrote them, and the ISO cannot be built without them.")
                    .remedy(format!("`nix-cfg-iso update {}` writes them again.", shell_word(dir.as_os_str())))
            }
        }
    }
}

fn not_empty(dir: &Path, entry: &Path, is_ours: bool) -> Text {
    if is_ours {
        error("directory-not-empty", format!("{} was written by nix-cfg-iso already", dir.display()))
            .because("Existing files are not overwritten.")
            .remedy(format!(
                "To copy the configuration again: nix-cfg-iso refresh {}. To change what the options chose, edit flake.nix there, or name \
                 a new directory.",
                shell_word(dir.as_os_str())
            ))
    } else {
        error("directory-not-empty", format!("{} is not empty", dir.display()))
            .because(format!("It contains {}. Existing files are not overwritten.", entry.display()))
            .remedy("Name a new directory.")
    }
}
