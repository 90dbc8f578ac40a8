//! An answers file asks for an update, and the system to update is not found on the disks, or cannot be mounted.

use std::fmt;
use std::path::PathBuf;

use super::answers_file_problem::START_FROM_DISK;
use super::{Text, error};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstalledSystemProblem {
    None { volumes: Vec<LookedAt> },
    /// `systems`: where each is, and what it is.
    Several { systems: Vec<String> },
    /// `device` is on none of the machine's disks, and the system has it at `at`.
    NoDevice { device: String, at: String },
    /// As [`Self::NoDevice`], but `volumes` are of that name, and none or several of them are on the disk of its store.
    SeveralDevices { device: String, at: String, volumes: Vec<PathBuf> },
    /// The directory `at` of the system leads out of it.
    Outside { at: String },
    /// The memory of the system is in `image`; absent where only the `HibernateLocation` of the firmware says so.
    Hibernated { image: Option<PathBuf> },
    /// Something else is mounted at the target.
    TargetInUse { target: PathBuf },
    /// It has the system of this ISO.
    UpToDate { disk: String },
}

/// A disk, or a part of one, on which no system was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedAt {
    pub device: PathBuf,
    /// In the word of blkid; absent where it knows nothing that is on it.
    pub kind: Option<String>,
    pub is_mountable: bool,
    /// A NixOS is there that was installed otherwise.
    pub is_foreign: bool,
    /// It is encrypted.
    pub lock: Option<Lock>,
}

/// How an encrypted volume is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// No passphrase is known.
    NoPassphrase,
    OtherPassphrase,
    /// What is in it is another one of those that were looked at.
    Open,
}

impl LookedAt {
    /// Whether a system may be there that was not found.
    #[must_use]
    pub fn may_hide_one(&self) -> bool {
        let is_locked = matches!(self.lock, Some(Lock::NoPassphrase | Lock::OtherPassphrase));
        is_locked || !self.is_mountable || self.kind.as_deref() == Some("zfs_member")
    }
}

impl fmt::Display for LookedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind.as_deref() {
            _ if self.lock == Some(Lock::NoPassphrase) => "encrypted, and the entry has no `passphrase`",
            _ if self.lock == Some(Lock::OtherPassphrase) => "encrypted, and the passphrase does not open it",
            _ if self.lock == Some(Lock::Open) => "encrypted, and opened",
            _ if self.is_foreign => "a NixOS that nix-cfg-install has not installed",
            Some("zfs_member") => "ZFS, which is not looked at",
            Some(kind) if !self.is_mountable => return write!(f, "{} ({kind}, cannot be mounted)", self.device.display()),
            Some(kind) => kind,
            None => "no file system",
        };
        write!(f, "{} ({what})", self.device.display())
    }
}

impl InstalledSystemProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::None { volumes } => error("installed-system-none", "No system that nix-cfg-install has installed was found")
                .because(match volumes.as_slice() {
                    [] => "There is nothing on the disks that were looked at.".to_owned(),
                    some => format!("Looked at:\n{}", some.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
                })
                .remedy(
                    "Name the disk in `disks`. Without that, all are looked at but sticks, cards and USB disks. To install the machine, remove \
                     `mode: update`.",
                ),
            Self::Several { systems } => error("installed-system-several", "Several systems could be meant")
                .because(format!("There are:\n{}", systems.join("\n")))
                .remedy("Name the disk of the one that is meant: `disks`."),
            Self::NoDevice { device, at } => error("installed-system-device", format!("{device} was not found"))
                .because(format!("The installed system has it at {at}."))
                .remedy("Attach the disk that it is on, or unlock it."),
            Self::SeveralDevices { device, at, volumes } => {
                let volumes: Vec<String> = volumes.iter().map(|volume| volume.display().to_string()).collect();
                error("installed-system-devices", format!("{device} could be several volumes"))
                    .because(format!("The installed system has it at {at}. There are {}.", volumes.join(" and ")))
                    .remedy("Detach the others, or give them other labels.")
            }
            Self::Outside { at } => error("installed-system-outside", format!("{at} of the installed system cannot be mounted"))
                .because("There is a link there that leads somewhere else.")
                .remedy("Update the machine while it runs: nix-cfg-install update"),
            Self::Hibernated { image } => {
                let place = match image {
                    Some(image) => format!("Its memory is in {}", image.display()),
                    None => "Its memory is on a disk, says the firmware's variable HibernateLocation".to_owned(),
                };
                error("installed-system-hibernated", "This machine is hibernated")
                    .because(format!(
                        "{place}. Resumed at the next start, it would write what it remembers of the file systems over the changed ones."
                    ))
                    .remedy("Start it once without the stick, shut it down, and then update it.")
            }
            Self::TargetInUse { target } => {
                error("installed-system-target", format!("Something is mounted at {}", target.display()))
                    .because("The installed system is mounted there.")
                    .remedy(format!("umount -R {}", target.display()))
            }
            Self::UpToDate { disk } => error("answers-installed", format!("{disk} has a system from this ISO already"))
                .because("It was installed or updated from it before.")
                .remedy(START_FROM_DISK),
        }
    }
}
