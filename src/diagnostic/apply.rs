//! Problems while the plan is carried out.

use std::path::PathBuf;

use super::{Text, error, warning};
use crate::text::{bytes, shell_word};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyProblem {
    SwapOff { device: PathBuf },
    DiskFull(Shortage),
    DiskFailed,
    /// An encrypted volume could not be given the key of the initrd.
    LuksKey {
        name: String,
        device: PathBuf,
        key: PathBuf,
        cause: String,
    },
    ActivationFailed,
    /// Git does not track a file that was added to the configuration in `etc_nixos`, and could not be made to.
    AddedUntracked { etc_nixos: PathBuf, file: PathBuf },
    /// Git does not track this many files of the configuration; `first` is one of them.
    Untracked {
        etc_nixos: PathBuf,
        first: String,
        count: usize,
    },
}

/// What a disk has too little of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortage {
    Bytes { needed: u64, free: u64 },
    Inodes { needed: u64, free: u64 },
    /// It filled up while it was written to.
    Unexpected { free: u64 },
}

const HIDDEN: &str = "But `nixos-rebuild` reads a flake in a git repository through git, which hides untracked files.";

fn untracked(first: &str, count: usize) -> String {
    match count {
        1 => format!("Git does not track {first}"),
        _ => format!("{count} files are untracked, {first} among them"),
    }
}

impl ApplyProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::SwapOff { device } => warning(
                "swap-off",
                format!("The swap partition {} cannot be used", device.display()),
            )
            .because("The installed system will not use it: nixos-generate-config omits swap that is not in use.")
            .remedy("Add it to `swapDevices` after the installation."),
            Self::DiskFull(shortage) => error("disk-full", "The target is too small")
                .because(shortage.sentence())
                .remedy(
                    "Use a larger disk or partition, or a smaller configuration, and run the same command again: it continues \
                     from here.",
                ),
            Self::DiskFailed => error("disk-failed", "Writing to the target's disk failed")
                .because("The kernel reported an input/output error: the disk or its cable may be broken.")
                .remedy("Look at `dmesg`. If the disk is sound, run the same command again: it continues from here."),
            Self::LuksKey {
                name,
                device,
                key,
                cause,
            } => error("luks-key", format!("The encrypted volume {name} could not be given its second key"))
                .because(format!(
                    "GRUB opens it with the passphrase, and the initrd has to open it once more. {cause}"
                ))
                .remedy(format!(
                    "In a terminal, then run the installation again:\n\
                     sudo cryptsetup luksConvertKey --hash sha256 --pbkdf pbkdf2 {0}\n\
                     sudo cryptsetup luksAddKey --hash sha256 --pbkdf pbkdf2 {0} {1}",
                    device.display(),
                    key.display()
                )),
            Self::ActivationFailed => error("activation-failed", "nixos-install could not activate the system")
                .because("The system is copied to the target; activating it or installing its boot loader failed.")
                .remedy("Fix what its output names, then run the same command again."),
            Self::AddedUntracked { etc_nixos, file } => {
                warning("git-untracked", format!("Git does not track {}", file.display()))
                    .because(format!("The system is installed with it. {HIDDEN} Git could not be run here."))
                    .remedy(format!(
                        "In the installed system, before the first nixos-rebuild: git -C {} add --intent-to-add --force {}",
                        etc_nixos.display(),
                        shell_word(file.as_os_str())
                    ))
            }
            Self::Untracked {
                etc_nixos,
                first,
                count,
            } => warning(
                "git-untracked",
                untracked(first, *count),
            )
            .because(format!("The system is installed with all files of the configuration. {HIDDEN}"))
            .remedy(format!(
                "If it needs them, before the first nixos-rebuild: git -C {} add .",
                etc_nixos.display()
            )),
        }
    }
}

impl Shortage {
    fn sentence(&self) -> String {
        match *self {
            Self::Bytes { needed, free } => format!(
                "It needs {}, and {} are free: {} more are needed.",
                bytes(needed),
                bytes(free),
                bytes(needed.saturating_sub(free))
            ),
            Self::Inodes { needed, free } => format!(
                "The system has {needed} files and directories, and the file system has room for {free} more (inodes)."
            ),
            Self::Unexpected { free } => {
                format!("{} are free, which is not enough for the next file.", bytes(free))
            }
        }
    }
}
