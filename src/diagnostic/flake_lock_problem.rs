//! flake.lock and flake.nix do not go together.

use super::{Text, error};

/// Why a flake.lock cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlakeLockProblem {
    /// The flake has inputs, and no lock.
    Absent,
    /// `reason`: why it is not JSON, as the parser says.
    Invalid { reason: String },
    UnknownVersion { version: u64 },
    /// `url`: the reference in flake.nix, where it is a plain string.
    InputNotLocked { name: String, url: Option<String> },
    /// flake.nix asks for `url`; the lock was made for `locked`.
    InputChanged { name: String, url: String, locked: String },
}

const LOCK_AGAIN: &str = "On a machine with a network, run `nix flake lock` in the configuration and make the ISO again.";

impl FlakeLockProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Absent => error("flake-lock-absent", "The flake has inputs and no flake.lock")
                .because("Without a network, Nix can use only inputs that a lock names exactly.")
                .remedy(LOCK_AGAIN),
            Self::Invalid { reason } => error("flake-lock-broken", "flake.lock is not a lock file")
                .because(format!("It is not JSON: {reason}. Merge conflict markers are a common cause."))
                .remedy(LOCK_AGAIN),
            Self::UnknownVersion { version } => {
                error("flake-lock-too-new", "This version of Nix cannot read flake.lock")
                    .because(format!("The lock has version {version}; versions 5 to 7 are supported."))
                    .remedy("Make the ISO with the version of Nix that wrote the lock.")
            }
            Self::InputNotLocked { name, url } => {
                let url = url.as_ref().map_or_else(String::new, |url| format!(" ({url})"));
                error(
                    "flake-lock-incomplete",
                    format!("flake.lock does not lock the input `{name}`{url}"),
                )
                .because("flake.nix has this input. Without a network, Nix can use only inputs that the lock names exactly.")
                .remedy(LOCK_AGAIN)
            }
            Self::InputChanged { name, url, locked } => error(
                "flake-lock-stale",
                format!("flake.lock locks another `{name}` than flake.nix asks for"),
            )
            .because(format!(
                "flake.nix asks for {url}; the lock was made for {locked}. Nix would download the new one."
            ))
            .remedy(LOCK_AGAIN),
        }
    }
}
