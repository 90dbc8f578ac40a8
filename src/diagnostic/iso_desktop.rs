//! The desktop of the live system.

use super::{Text, error, warning};

/// Why the nixpkgs of an ISO has no live system with a desktop, or may not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoDesktopProblem {
    /// It has `known` ones, and `name` is not one of them. `nixpkgs`: as it was named.
    Absent { name: String, nixpkgs: String, known: Vec<String> },
    /// None of the known releases has it.
    Unverified { name: String },
}

impl IsoDesktopProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Absent { name, nixpkgs, known } => error("desktop", format!("{nixpkgs} has no live system `{name}`"))
                .because(format!("It has: {}.", known.join(", ")))
                .remedy("Name one of these with --desktop."),
            Self::Unverified { name } => {
                warning("desktop-unverified", format!("It is not certain that this nixpkgs has a live system `{name}`"))
                    .because("No known release has it, and nothing was evaluated. They have gnome, plasma6 (KDE) and none.")
                    .remedy("`nix-cfg-iso doctor` evaluates the live system.")
            }
        }
    }
}
