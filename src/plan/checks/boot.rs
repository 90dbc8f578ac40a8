//! Whether this machine can start what is installed: its firmware against the boot loader, the passphrase's keymap.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::live::decisions::{Decisions, Firmware};
use crate::live::installer_facts::ANY_DISK;
use crate::live::mounts::{self, Mount};
use crate::live::target::Target;
use crate::nix::facts::{Boot, Disks};

/// GRUB's word for "on no disk".
const NO_DEVICE: &str = "nodev";

/// The problems of the boot loader.
#[must_use]
pub fn boot(boot: &Boot, decisions: &Decisions) -> Vec<Diagnostic> {
    if boot.container || decisions.no_boot_loader && boot.loaders.is_empty() {
        return Vec::new();
    }
    let has = |name: &str| boot.loaders.iter().any(|loader| loader == name);
    if boot.loaders.is_empty() {
        return vec![no_loader()];
    }
    let efi_only = ["systemd-boot", "lanzaboote", "refind"]
        .into_iter()
        .find(|&name| has(name));
    match decisions.firmware {
        Firmware::Bios => match efi_only {
            Some(loader) => vec![efi_loader_on_bios(loader, decisions)],
            None if has("grub") => grub_on_bios(boot, decisions),
            None => Vec::new(),
        },
        Firmware::Efi if efi_only.is_none() && has("grub") && !boot.grub_efi => vec![bios_grub_on_efi(boot)],
        Firmware::Efi => touches_nothing(boot, has("grub")).into_iter().collect(),
    }
}

/// Whether the boot loader needs an EFI system partition.
#[must_use]
pub fn needs_esp(boot: &Boot, decisions: &Decisions) -> bool {
    let has = |name: &str| boot.loaders.iter().any(|loader| loader == name);
    let efi = has("systemd-boot") || has("lanzaboote") || has("refind") || has("grub") && boot.grub_efi;
    !boot.container && decisions.firmware == Firmware::Efi && efi
}

/// The problem of a UEFI boot loader that has no EFI system partition to stand on. `file`: the hardware configuration that was
/// on the target already.
#[must_use]
pub fn esp(
    boot: &Boot,
    disks: &Disks,
    decisions: &Decisions,
    (target, file): (&Target, Option<&Path>),
) -> Option<Diagnostic> {
    if !needs_esp(boot, decisions) {
        return None;
    }
    // What the UEFI specification has every firmware read.
    let is_fat = |kind: &str| ["vfat", "msdos", "auto"].contains(&kind);
    let mounted = disks.file_systems.iter().find(|mounted| mounted.at == boot.esp);
    if mounted.is_some_and(|mounted| is_fat(&mounted.kind)) {
        return None;
    }
    if mounted.is_none()
        && let Some(now) = mounts::at(&target.inside(&boot.esp))
    {
        return Some(mounted_later(&boot.esp, &now, file));
    }
    let why = match mounted {
        Some(mounted) => format!(
            "The boot loader is installed to {}, which is {} there; it has to be a FAT file system.",
            boot.esp, mounted.kind
        ),
        None => format!(
            "The boot loader is installed to {}, and nothing is mounted there.",
            boot.esp
        ),
    };
    let other = disks.file_systems.iter().find(|mounted| is_fat(&mounted.kind));
    let remedy = match other {
        Some(other) => format!(
            "A FAT file system is at {0}. If that is the EFI system partition: boot.loader.efi.efiSysMountPoint = \"{0}\"; in the configuration. Or mount it at {1}.",
            other.at, boot.esp
        ),
        None => format!(
            "Mount the EFI system partition at {} of the target, before this program is started. (A new one: mkfs.fat -F 32, and the partition's type is EFI System.)",
            boot.esp
        ),
    };
    Some(
        Diagnostic::error("esp-none", "There is no EFI system partition for the boot loader")
            .because(why)
            .remedy(remedy),
    )
}

/// The problem of an EFI system partition that is mounted and not in the configuration.
fn mounted_later(esp: &str, now: &Mount, file: Option<&Path>) -> Diagnostic {
    let device = now.source.display();
    let (older, remedy) = match file {
        Some(file) => (
            format!(" {} was written before that was mounted.", file.display()),
            format!(
                "Remove {}: it is then generated from what is mounted. Or add `fileSystems.\"{esp}\"` to it. Then run the command again.",
                file.display()
            ),
        ),
        None => (
            String::new(),
            format!("Add `fileSystems.\"{esp}\"` to the configuration."),
        ),
    };
    Diagnostic::error(
        "esp-not-configured",
        format!("The installed system would not mount its EFI system partition at {esp}"),
    )
    .because(format!(
        "{device} is mounted there now, and the configuration has no file system for it.{older}"
    ))
    .remedy(remedy)
}

/// The problems of an encrypted root with the keyboard.
#[must_use]
pub fn keymap(disks: &Disks, decisions: &Decisions) -> Option<Diagnostic> {
    let typed = decisions.keymap.as_deref()?;
    // A keymap of the configuration can be a file of its own.
    let own = disks.keymap.as_str();
    if !decisions.root_encrypted || own.is_empty() || own.starts_with('/') || own == typed {
        return None;
    }
    Some(
        Diagnostic::warning(
            "keymap-differs",
            format!("The passphrase of the disk will be typed with another keymap: `{own}`"),
        )
        .because(format!(
            "Here it is `{typed}`. The installed system asks for the passphrase with the keymap of the configuration (`console.keyMap`), where keys can lie elsewhere."
        ))
        .remedy(format!("Set `console.keyMap = \"{typed}\";` in the configuration, or choose a passphrase that both keymaps type alike.")),
    )
}

fn no_loader() -> Diagnostic {
    Diagnostic::error("boot-loader-none", "The configuration has no boot loader")
        .because("No boot loader is enabled below `boot.loader`: the machine could not start the system.")
        .remedy("Enable `boot.loader.systemd-boot` (UEFI) or `boot.loader.grub` in the configuration.")
}

fn efi_loader_on_bios(loader: &str, decisions: &Decisions) -> Diagnostic {
    let disk = shown(decisions.boot_disk.as_deref());
    Diagnostic::error(
        "boot-needs-uefi",
        format!("This machine was started by a BIOS, and the configuration's boot loader ({loader}) needs UEFI"),
    )
    .because("The machine could not start the system.")
    .remedy(format!(
        "Start the installation medium in UEFI mode (a setting of the firmware; switch off \"CSM\" or \"legacy boot\"). Or use GRUB in the configuration: boot.loader.grub.device = \"{disk}\";"
    ))
}

fn bios_grub_on_efi(boot: &Boot) -> Diagnostic {
    let why = if boot.grub_devices.iter().any(|device| device != NO_DEVICE) {
        "GRUB would be installed for a BIOS. This machine was started by UEFI, which does not look at the disk's first sector."
    } else {
        "GRUB would be installed nowhere: without `efiSupport` it is for a BIOS."
    };
    Diagnostic::error(
        "boot-needs-bios",
        "This machine was started by UEFI, and the configuration's GRUB is for a BIOS",
    )
    .because(why)
    .remedy("In the configuration: boot.loader.systemd-boot.enable = true; or boot.loader.grub.efiSupport = true; boot.loader.grub.device = \"nodev\"; Or start the medium in BIOS mode.")
}

fn grub_on_bios(boot: &Boot, decisions: &Decisions) -> Vec<Diagnostic> {
    let disks: Vec<&str> = boot
        .grub_devices
        .iter()
        .map(String::as_str)
        .filter(|device| *device != NO_DEVICE)
        .collect();
    if disks == [ANY_DISK] {
        return Vec::new();
    }
    let wanted = shown(decisions.boot_disk.as_deref());
    if disks.is_empty() {
        return vec![
            Diagnostic::error("grub-device-none", "GRUB would be installed on no disk")
                .because("This machine was started by a BIOS, which starts what is in a disk's first sector; the configuration names none.")
                .remedy(format!("Set `boot.loader.grub.device = \"{wanted}\";` in the configuration.")),
        ];
    }
    let remedy = format!(
        "Set `boot.loader.grub.device = \"{wanted}\";` in the configuration: the whole disk, not a partition. `lsblk` shows the disks."
    );
    let absent = disks.iter().filter(|device| !Path::new(device).exists()).map(|device| {
        Diagnostic::error(
            "grub-device-missing",
            format!("GRUB is to be installed on {device}, which this machine does not have"),
        )
        .because("Disks have other names on other machines.")
        .remedy(&remedy)
    });
    let problems: Vec<Diagnostic> = absent.collect();
    if let (true, Some(chosen)) = (problems.is_empty(), &decisions.boot_disk) {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if !disks.iter().any(|device| real(Path::new(device)) == real(chosen)) {
            return vec![
                Diagnostic::error(
                    "grub-device-other",
                    format!(
                        "GRUB is to be installed on {}, and the chosen disk is {}",
                        disks.join(", "),
                        chosen.display()
                    ),
                )
                .because("The boot loader of another disk would be overwritten, and the chosen one would not start.")
                .remedy(remedy),
            ];
        }
    }
    problems
}

/// An UEFI loader that the firmware is not told of: many start it all the same, from its fallback place.
fn touches_nothing(boot: &Boot, grub: bool) -> Option<Diagnostic> {
    (grub && !boot.touch_efi_variables && !boot.grub_removable).then(|| {
        Diagnostic::warning("boot-entry-none", "The firmware is not told of the new boot loader")
            .because("With `canTouchEfiVariables = false`, and without `efiInstallAsRemovable`, GRUB makes no entry in the firmware's boot menu and is not where the firmware looks by itself.")
            .remedy("Set `boot.loader.efi.canTouchEfiVariables = true;`, or `boot.loader.grub.efiInstallAsRemovable = true;`.")
    })
}

fn shown(disk: Option<&Path>) -> String {
    disk.map_or_else(|| "/dev/DISK".to_owned(), |disk| disk.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(disk: &str, chosen: &str, firmware: Firmware) -> Vec<&'static str> {
        let config = Boot {
            loaders: vec!["grub".into()],
            grub_devices: vec![disk.into()],
            ..Boot::default()
        };
        let decisions = Decisions {
            firmware,
            boot_disk: Some(chosen.into()),
            ..Decisions::default()
        };
        boot(&config, &decisions).iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn grub_has_to_go_to_the_disk_that_was_chosen() {
        assert_eq!(told("/dev/null", "/dev/null", Firmware::Bios), [""; 0]);
        assert_eq!(told("/dev/null", "/dev/zero", Firmware::Bios), ["grub-device-other"]);
        // Another name of the same disk.
        assert_eq!(told("/dev/../dev/null", "/dev/null", Firmware::Bios), [""; 0]);
        assert_eq!(
            told("/dev/nosuch", "/dev/null", Firmware::Bios),
            ["grub-device-missing"]
        );
        assert_eq!(told("nodev", "/dev/null", Firmware::Bios), ["grub-device-none"]);
        assert_eq!(told("/dev/null", "/dev/null", Firmware::Efi), ["boot-needs-bios"]);
    }
}
