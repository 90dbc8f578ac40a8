//! What is wrong with a system after it was installed.

use std::path::{Path, PathBuf};

use super::{Text, error, warning};

/// Paths are those of the installed system, but those of files that can be deleted.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum ResultProblem {
    /// No entry of the boot loader's menu at `place` starts the new system.
    NoEntry { loader: &'static str, place: PathBuf },
    /// An entry of the boot menu in `menu` names a file that is not there; or the `reason` why it cannot be read.
    FileMissing { menu: PathBuf, file: String, reason: Option<String> },
    /// A kernel or an initrd (its path in the live system) is shorter than the one in the store.
    FileCut { file: PathBuf },
    /// A kernel or an initrd is another than the one in the store.
    FileDiffers { file: PathBuf },
    /// systemd-boot itself is not in `esp`. `fallback`: there is another boot loader, at the firmware's fallback path.
    LoaderMissing { esp: PathBuf, fallback: bool },
    /// The firmware's boot menu has no entry for the new boot loader. `fallback`: it can be found without.
    NotInFirmware { fallback: bool },
    /// /etc/fstab names devices that do not exist.
    DevicesAbsent { devices: Vec<String> },
    /// No account has a password or a key. `files`: their password files.
    NobodyCanLogIn { user: String, mutable: bool, files: Vec<String>, root: PathBuf },
    /// An account was created without a password, because its password file could not be read.
    PasswordFileUnread { user: String, file: String, mutable: bool, root: PathBuf },
}

const AGAIN: &str = "Run the command again: it continues from here. If it happens again, look into the log for what the boot loader's installer printed.";

impl ResultProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoEntry { loader, place } => {
                error("boot-entry-absent", format!("The menu of {loader} has no entry for the installed system"))
                    .because(format!("Nothing in {} names it. The machine would not start it.", place.display()))
                    .remedy(AGAIN)
            }
            Self::FileMissing { menu, file, reason } => {
                error("boot-file-missing", format!("The boot loader would not find {file}"))
                    .because(format!(
                        "The boot entry in {} names it. {}",
                        menu.display(),
                        reason.as_deref().unwrap_or("There is no such file on the file systems of the installed system.")
                    ))
                    .remedy(AGAIN)
            }
            Self::FileCut { file } => error("boot-file-cut", format!("{} is incomplete", file.display()))
                .because("It is shorter than the file in the store that it is a copy of: the file system may be full, or its disk broken. The machine could not start.")
                .remedy("Delete it, look whether the file system is full (`df -h`), and run the command again."),
            Self::FileDiffers { file } => warning("boot-file-differs", format!("{} is not the file in the store", file.display()))
                .because("A hook of the configuration may have changed it, or its disk is broken. If it was damaged, the machine cannot start.")
                .remedy("If nothing signs or changes it on purpose: delete it and run the command again."),
            Self::LoaderMissing { esp, fallback } => loader_missing(esp, *fallback),
            Self::NotInFirmware { fallback } => warning(
                "firmware-entry-none",
                "The firmware's boot menu has no entry for the new boot loader",
            )
            .because(if *fallback {
                "The boot loader's installer wrote none. The firmware finds it at its fallback path (EFI/BOOT), but prefers the entries that it has, which are of other systems."
            } else {
                "The boot loader's installer wrote none, and there is nothing at the firmware's fallback path (EFI/BOOT)."
            })
            .remedy("Choose the disk in the firmware's own menu at the first start. In the installed system, run `nixos-rebuild boot --install-bootloader`, which adds the entry."),
            Self::DevicesAbsent { devices } => warning(
                "fstab-device-absent",
                format!("The installed system waits for devices that this machine does not have: {}", devices.join(", ")),
            )
            .because("They are in its /etc/fstab without `nofail`. After 90 seconds each, the start ends in the emergency mode if one is a file system.")
            .remedy("Correct `fileSystems` and `swapDevices` in the configuration, and run the command again."),
            Self::NobodyCanLogIn { user, mutable, files, root } => nobody_can_log_in((user, root), *mutable, files),
            Self::PasswordFileUnread { user, file, mutable, root } => warning(
                "password-file-unread",
                format!("The user `{user}` was created without a password"),
            )
            .because(format!("Its password file could not be read when the system was activated: {file}. {}", later(*mutable)))
            .remedy(set_password((user, root), *mutable)),
        }
    }
}

fn loader_missing(esp: &Path, fallback: bool) -> Text {
    let what = format!("systemd-boot is not in the EFI system partition at {}", esp.display());
    let why = "bootctl ended without an error and installed nothing; it does that in a chroot when it does not accept the partition.";
    let remedy = "Look into the log for the words of bootctl. The partition needs a FAT file system, a GPT and the type EFI System (`lsblk -o NAME,FSTYPE,PTTYPE,PARTTYPENAME`). Then run the command again.";
    if fallback {
        return warning("boot-loader-absent", what)
            .because(format!("{why} Another boot loader is at EFI/BOOT."))
            .remedy(remedy);
    }
    error("boot-loader-absent", what)
        .because(format!("{why} The machine could not start."))
        .remedy(remedy)
}

/// What the installed system does about a password that it did not get.
fn later(mutable: bool) -> &'static str {
    if mutable {
        "With `users.mutableUsers = true`, a later start does not set it either."
    } else {
        "It is tried again at each start: the password works if the file is there by then."
    }
}

fn set_password((user, root): (&str, &Path), mutable: bool) -> String {
    if mutable {
        return format!("Set a password now: nixos-enter --root {} -c 'passwd {user}'", root.display());
    }
    "Bring the file, or the key that it is decrypted with, to the target before the restart, and run the command again.".to_owned()
}

fn nobody_can_log_in(user: (&str, &Path), mutable: bool, files: &[String]) -> Text {
    let why = match files {
        [] => "No account has a password or an SSH key.".to_owned(),
        files => format!(
            "No account has a password or an SSH key: the password files could not be read when the system was activated ({}). {}",
            files.join(", "),
            later(mutable)
        ),
    };
    warning("login-none", "Nobody can log in to the installed system")
        .because(why)
        .remedy(if files.is_empty() && !mutable {
            "Set `hashedPassword` for a user in the configuration (mkpasswd makes one), and run the command again.".to_owned()
        } else {
            set_password(user, mutable)
        })
}
