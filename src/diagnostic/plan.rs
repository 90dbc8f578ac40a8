//! Problems of the request, found while it is planned.

use std::path::PathBuf;

use super::{Text, error};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanProblem {
    NotRoot,
    /// What the settings want kept for rebuilding offline is not on the ISO.
    OfflineRebuildMissing { path: PathBuf },
}

impl PlanProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NotRoot => {
                error("not-root", "Only root can install a system").remedy("Run the same command with sudo.")
            }
            Self::OfflineRebuildMissing { path } => error(
                "offline-rebuild-missing",
                format!("{} is not on the ISO", path.display()),
            )
            .because("The setting `offline-rebuild` says that the target keeps it, to rebuild without a network.")
            .remedy("Remove `offline-rebuild` from the settings: the system can be installed without it."),
        }
    }
}
