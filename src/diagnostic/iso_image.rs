//! What an ISO contains, and its Calamares.

use std::path::PathBuf;

use super::{Text, error};

/// Why `nix-cfg-iso` has no answer about an ISO, or cannot derive what belongs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoImageProblem {
    /// `directory` is not one: `written` goes next to a flake.nix.
    NoDirectory { directory: PathBuf, written: &'static str },
    NotAStorePath { path: String },
    NotOnImage { path: String },
    /// A configuration file of Calamares is not YAML; `reason` is the parser's message.
    CalamaresYaml { file: PathBuf, reason: String },
    /// settings.conf of Calamares does not run the job `nixos`.
    CalamaresSequence,
}

impl IsoImageProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoDirectory { directory, written } => {
                error("pin-no-directory", format!("{} is not a directory", directory.display()))
                    .because(format!("{written} is written next to the flake.nix that names it."))
                    .remedy("Name the directory of the flake, as a path.")
            }
            Self::NotAStorePath { path } => {
                error("why-path", format!("{path} is not a store path")).remedy("Name one: /nix/store/…")
            }
            Self::NotOnImage { path } => error("why-not", format!("{path} is not on this ISO"))
                .because("Neither the installed system nor the live system needs it, as far as they are built on this machine."),
            Self::CalamaresYaml { file, reason } => {
                error("calamares-yaml", format!("{} is not the expected YAML", file.display())).because(reason)
            }
            Self::CalamaresSequence => error("calamares-sequence", "No exec phase of Calamares has the job `nixos`")
                .because(
                    "The installation replaces that job. All versions of calamares-nixos-extensions from 0.2.2 to 0.3.23 have it.",
                )
                .remedy("Report the version of calamares-nixos-extensions to the authors."),
        }
    }
}
