//! Problems of the request, found while it is planned.

use std::path::PathBuf;

use super::{Text, error, warning};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanProblem {
    NotRoot,
    /// The command line is wrong: `error` in the words of its parser.
    CommandLine { error: String },
    /// What the settings want kept for rebuilding offline is not on the ISO.
    OfflineRebuildMissing { path: PathBuf },
    /// Nix stopped at something that was left out to find what else is wrong, and nothing that was found says so.
    EvaluatedInPart,
    /// Something could not be looked at.
    NotChecked { what: String, cause: String },
    /// The hardware configuration's path leads out of the tree.
    HardwarePath { path: PathBuf },
    /// The hardware configuration cannot import `module`.
    HardwareShape { path: PathBuf, module: String },
    /// The user's file at `path` has the name of a module that an earlier run wrote.
    ModuleTaken { path: PathBuf },
}

impl PlanProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NotRoot => {
                error("not-root", "This has to be run as root")
                    .because("Only root may read all that is checked, mount, and write to the target.")
                    .remedy("Run the same command with sudo.")
            }
            Self::CommandLine { error: said } => {
                let said = said.trim_start_matches("error: ");
                let (what, rest) = said.split_once('\n').unwrap_or((said, ""));
                error("command-line", what).because(rest.trim())
            }
            Self::OfflineRebuildMissing { path } => error(
                "offline-rebuild-missing",
                format!("{} is not on the ISO", path.display()),
            )
            .because("The setting `offline-rebuild` says that the target keeps it, to rebuild without a network.")
            .remedy("Remove `offline-rebuild` from the settings: the system can be installed without it."),
            Self::EvaluatedInPart => error("evaluated-in-part", "Nix refuses the configuration")
                .because("The check left out what Nix stopped at, to find more problems, and found none. Without it, the system would be another one.")
                .remedy("Correct what Nix reports: nixos-rebuild dry-build shows it where there is a network."),
            Self::NotChecked { what, cause } => warning("not-checked", format!("Could not check {what}"))
                .because(cause)
                .remedy("No problem was found, because nothing was seen. Check it yourself if it matters here."),
            Self::HardwarePath { path } => error(
                "hardware-path",
                format!("{} leads out of the configuration", path.display()),
            )
            .because("A directory of it is a link to somewhere else.")
            .remedy("Name another path with --hardware-config."),
            Self::HardwareShape { path, module } => error(
                "hardware-shape",
                format!("{} cannot import {module}", path.display()),
            )
            .because("It is not an attribute set, as nixos-generate-config writes it.")
            .remedy("Remove it from the target; it is then generated again."),
            Self::ModuleTaken { path } => error(
                "module-taken",
                format!("{} of the configuration has the name of a file that an earlier installation wrote", path.display()),
            )
            .because("The hardware configuration on the target imports that one, which has what only the installer knew of this machine, or what was chosen then.")
            .remedy("Rename the one in the configuration."),
        }
    }
}
