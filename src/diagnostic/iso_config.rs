//! What `nix-cfg-iso` is given with `--config`.

use std::path::{Path, PathBuf};

use super::{Text, error};
use crate::text::shell_word;

/// Why `--config` does not name a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoConfigProblem {
    /// Nothing is there. `similar`: a directory beside it whose name is spelt like it.
    Missing { path: PathBuf, similar: Option<PathBuf> },
    /// A path that begins with `~`, which the shell did not replace.
    Tilde { path: PathBuf },
    /// A file, in the directory `directory`.
    File { path: PathBuf, directory: PathBuf },
    /// A flake reference. `directory`: the one that it names, if that is on this machine; `host`: the one that it selects.
    Reference { given: PathBuf, directory: Option<PathBuf>, host: Option<String> },
    /// In the words of the system.
    Unreadable { path: PathBuf, error: String },
    /// Neither entry point is there. `nested`: a directory one level down that has one.
    NoEntryPoint { path: PathBuf, nested: Option<PathBuf> },
}

const NAME_IT: &str = "Name the directory that has flake.nix or configuration.nix: --config DIRECTORY";

impl IsoConfigProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Missing { path, similar } => {
                let text = error("config-missing", format!("The directory {} does not exist", path.display()));
                match similar {
                    Some(similar) => text.remedy(format!("Did you mean this one? --config {}", word(similar))),
                    None => text.remedy(NAME_IT),
                }
            }
            Self::Tilde { path } => error("config-missing", format!("The directory {} does not exist", path.display()))
                .because("The shell replaces `~` only at the beginning of a word that is not quoted.")
                .remedy("Write it as a word of its own, --config ~/DIRECTORY, or write the whole path."),
            Self::File { path, directory } => error("config-file", format!("{} is a file", path.display()))
                .because("The configuration is a directory, which is copied as a whole.")
                .remedy(format!("Name the directory: --config {}", word(directory))),
            Self::Reference { given, directory, host } => {
                let given = format!("{} is a flake reference, and not a directory", given.display());
                let directory = directory.as_deref().map_or("DIRECTORY".to_owned(), word);
                let host = host.as_ref().map(|host| format!(" --host {}", word(host.as_ref())));
                error("config-reference", given).remedy(format!(
                    "Name the directory of the flake, and the host with --host: --config {directory}{}",
                    host.unwrap_or_default()
                ))
            }
            Self::Unreadable { path, error: why } => {
                error("config-unreadable", format!("{} cannot be read: {why}", path.display())).remedy(NAME_IT)
            }
            Self::NoEntryPoint { path, nested } => {
                let text = error("config-empty", format!("{} is not a NixOS configuration", path.display()))
                    .because("It has neither flake.nix nor configuration.nix.");
                match nested {
                    Some(nested) => text.remedy(format!("This directory in it has one: --config {}", word(nested))),
                    None => text.remedy(NAME_IT),
                }
            }
        }
    }
}

fn word(path: &Path) -> String {
    shell_word(path.as_os_str())
}
