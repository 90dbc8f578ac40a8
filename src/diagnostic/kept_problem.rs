//! What the installer leaves on the target would not survive a restart, or not be where the installed system looks.

use std::path::{Path, PathBuf};

use super::{Text, warning};

/// Paths are those of the installed system.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum KeptProblem {
    /// The root file system is in memory, and nothing keeps /etc/nixos on a disk. `copy`: where the configuration goes.
    Forgotten { copy: PathBuf, storage: PathBuf },
    /// The configuration keeps /etc/nixos in `path`, on the file system `storage`, which is not mounted at the target.
    StorageNotMounted { storage: String, path: PathBuf, copy: PathBuf },
}

impl KeptProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Forgotten { copy, storage } => warning(
                "etc-nixos-in-memory",
                "The installed system loses /etc/nixos at every restart",
            )
            .because(format!(
                "Its root file system is in memory, and the configuration keeps /etc/nixos on no disk. The files go to {}, which survives.",
                copy.display()
            ))
            .remedy(bind(storage)),
            Self::StorageNotMounted { storage, path, copy } => warning(
                "etc-nixos-elsewhere",
                format!("{storage} is not mounted at the target, and the installed system has /etc/nixos there"),
            )
            .because(format!(
                "In the installed system, /etc/nixos is {}. Without {storage}, the files go to {}.",
                path.display(),
                copy.display()
            ))
            .remedy(format!("Mount it below the target (at {storage}), and run the command again.")),
        }
    }
}

fn bind(storage: &Path) -> String {
    let storage = storage.display();
    format!(
        "To have them at /etc/nixos, add to the configuration: fileSystems.\"/etc/nixos\" = {{ device = \"{storage}/etc/nixos\"; fsType = \"none\"; options = [ \"bind\" ]; }}; \
         or, with impermanence: environment.persistence.\"{storage}\".directories = [ \"/etc/nixos\" ];"
    )
}
