//! The target cannot be installed to.

use std::path::{Path, PathBuf};

use super::{Text, error};

/// Why a target is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetProblem {
    Missing { root: PathBuf },
    NoDirectory { root: PathBuf },
    Running,
    NotMounted { root: PathBuf },
    ReadOnly { root: PathBuf },
    NoExec { root: PathBuf },
    /// The root is of a file system without links and owners.
    FileSystem { root: PathBuf, kind: String },
    Owner { root: PathBuf },
    /// A directory above the root is closed to other users.
    Mode { directory: PathBuf, mode: u32 },
    EtcNixosMounted { etc_nixos: PathBuf },
    StoreLink { link: PathBuf },
    /// What an earlier run left for later ones at `path` is damaged.
    Placement { path: PathBuf, error: String },
    /// Another run of this program is at work on it. `process`: its number.
    Busy { root: PathBuf, process: String },
}

impl TargetProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Missing { root } => error("target-missing", format!("The target {} does not exist", root.display()))
                .remedy("Mount the new root file system first (mount /dev/… /mnt), or name its mount point with --target."),
            Self::NoDirectory { root } => error(
                "target-no-directory",
                format!("The target {} is not a directory", root.display()),
            )
            .remedy("Name the mount point of the new root file system with --target."),
            Self::Running => error("target-running", "The target is the running system")
                .because("A system is installed to another disk than the one it is installed from.")
                .remedy("Mount the new root file system at /mnt and omit --target. To change a running NixOS, use nixos-rebuild."),
            Self::NotMounted { root } => error("target-not-mounted", format!("Nothing is mounted at {}", root.display()))
                .because("What is written there would fill the live system's memory and be lost at the next restart.")
                .remedy("Mount the new root file system there first. If you do mean this directory: --not-mounted"),
            Self::ReadOnly { root } => error(
                "target-read-only",
                format!("The file system at {} is mounted read-only", root.display()),
            )
            .because("A damaged file system is mounted read-only as well; `dmesg` shows it.")
            .remedy(format!("mount -o remount,rw {}", root.display())),
            Self::NoExec { root } => error(
                "target-noexec",
                format!("The file system at {} is mounted with noexec", root.display()),
            )
            .because("The new system's own programs run there, to activate it and to install its boot loader.")
            .remedy(format!("mount -o remount,exec {}", root.display())),
            Self::FileSystem { root, kind } => file_system(root, kind),
            Self::Owner { root } => error(
                "target-owner",
                format!("The target {} does not belong to root", root.display()),
            )
            .because("nixos-install refuses such a target.")
            .remedy(format!("chown root:root {}", root.display())),
            Self::Mode { directory, mode } => error(
                "target-mode",
                format!("The directory {} has mode {mode:o} and is closed to other users", directory.display()),
            )
            .because("nixos-install refuses it: the system's users could not reach their own root directory.")
            .remedy(format!("chmod o+rx {}", directory.display())),
            Self::EtcNixosMounted { etc_nixos } => error(
                "target-etc-nixos",
                format!("Something is mounted at {}", etc_nixos.display()),
            )
            .because("The new configuration is exchanged with that directory, and a mount point cannot be exchanged.")
            .remedy(format!(
                "umount {}; what is there can be moved to where it belongs after the installation.",
                etc_nixos.display()
            )),
            Self::StoreLink { link } => error("target-store-link", format!("{} is a symbolic link", link.display()))
                .because("Nix opens no store whose path contains a symbolic link.")
                .remedy("Remove the link, and mount what it leads to in its place (mount --bind)."),
            Self::Placement { path, error: said } => error("target-placement", format!("{} is damaged", path.display()))
                .because(format!("It has which files of the configuration an earlier run has placed, and which of them is of this machine. {said}"))
                .remedy("Put it back from a backup. A machine that runs can be updated with nixos-rebuild; for an installation, make the file system anew."),
            Self::Busy { root, process } => error("busy", format!("Another run is at work on {}", root.display()))
                .because(format!("Its process number is {process}."))
                .remedy("Wait until it has ended."),
        }
    }
}

fn file_system(root: &Path, kind: &str) -> Text {
    let root = root.display();
    error(
        "target-file-system",
        format!("No system can be installed on {kind}, which is mounted at {root}"),
    )
    .because("It has no symbolic links and no owners. Perhaps the boot partition was mounted in place of the root.")
    .remedy(format!(
        "Mount the new root file system at {root}, and the boot partition below it, at {root}/boot."
    ))
}
