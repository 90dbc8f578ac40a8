//! What Calamares hands over is not what the installation needs.

use super::{Text, error};

/// Why an installation that Calamares started cannot begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalamaresProblem {
    /// globalStorage has no mount point.
    NotMounted,
}

impl CalamaresProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NotMounted => error("calamares-order", "Calamares has not mounted the target yet")
                .because("globalStorage has no rootMountPoint.")
                .remedy("In settings.conf, move the installation after the job `mount`."),
        }
    }
}
