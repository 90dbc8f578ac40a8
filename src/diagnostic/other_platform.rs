//! The configuration is for another kind of machine.

use super::{Text, error};

/// Why this machine cannot run the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformProblem {
    /// The system is built for `wanted`, and this machine is `own` (`x86_64-linux`).
    Other { wanted: String, own: String },
}

impl PlatformProblem {
    pub(super) fn text(&self) -> Text {
        let Self::Other { wanted, own } = self;
        error(
            "platform-other",
            format!("The configuration is for {wanted}, and this machine is {own}"),
        )
        .because("Its programs could not run here. `nixpkgs.hostPlatform`, or `system` of the flake's nixosSystem, sets the platform.")
        .remedy(format!("Choose a host of the flake that is for {own}, or set `nixpkgs.hostPlatform = \"{own}\";`."))
    }
}
