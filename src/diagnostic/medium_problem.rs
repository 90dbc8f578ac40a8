//! There is no ISO to update the running machine from.

use std::path::PathBuf;

use super::{Text, error};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediumProblem {
    None,
    Several { devices: Vec<PathBuf> },
    NotThere { path: PathBuf },
    /// What is at `medium` is no ISO that a machine can be updated from.
    NotOurs { medium: PathBuf, error: String },
    /// It was taken out.
    Gone { medium: PathBuf, error: String },
}

impl MediumProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::None => error("update-no-medium", "No ISO to update from was found")
                .because("No disk or stick of this machine has one, and this program was not started from one.")
                .remedy("Insert the stick, or name the device, the ISO file or the directory where it is mounted with --from."),
            Self::Several { devices } => {
                let devices: Vec<String> = devices.iter().map(|device| device.display().to_string()).collect();
                error("update-several-media", "Several disks have an ISO")
                    .because(format!("They are {}.", devices.join(" and ")))
                    .remedy("Name the one that is meant with --from.")
            }
            Self::NotThere { path } => error("update-not-there", format!("{} does not exist", path.display()))
                .remedy("Name the device, the ISO file or the directory where it is mounted with --from."),
            Self::NotOurs { medium, error: said } => error(
                "update-not-ours",
                format!("{} is no ISO that a machine can be updated from", medium.display()),
            )
            .because(said)
            .remedy(
                "Copy the ISO once more, and compare its check sum with that of where it was made. One of an older nix-cfg-iso installs, and \
                 does not update: make it again with a current one.",
            ),
            Self::Gone { medium, error: said } => error("update-medium-gone", format!("{} can no longer be read", medium.display()))
                .because(said)
                .remedy("Insert it again, and run the same command: it continues from here."),
        }
    }
}
