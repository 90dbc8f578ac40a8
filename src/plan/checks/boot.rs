//! Whether this machine can start what is installed: its firmware and disks against the boot loader, the passphrase's keymap.

use std::path::Path;

use crate::diagnostic::{BootProblem, Diagnostic};
use crate::live::decisions::{Decisions, Firmware};
use crate::live::installer_facts::ANY_DISK;
use crate::live::mounts::Mount;
use crate::nix::facts::{Boot, Disks, FileSystem};
use crate::plan::observed::Observed;

/// GRUB's word for "on no disk".
const NO_DEVICE: &str = "nodev";

/// Boot loaders that start on UEFI only.
const EFI_ONLY: [&str; 3] = ["systemd-boot", "lanzaboote", "refind"];

/// The problems of the boot loader with this machine's firmware and disks.
pub(super) fn boot_loader(boot: &Boot, decisions: &Decisions, observed: &Observed) -> Vec<Diagnostic> {
    if boot.container || decisions.no_boot_loader && boot.loaders.is_empty() {
        return Vec::new();
    }
    if boot.loaders.is_empty() {
        return vec![BootProblem::NoLoader.into()];
    }
    let efi_only = EFI_ONLY.into_iter().find(|&name| has(boot, name));
    let grub = has(boot, "grub");
    let problem = match (decisions.firmware, efi_only) {
        (Firmware::Bios, Some(loader)) => BootProblem::NeedsUefi {
            loader: loader.to_owned(),
            disk: decisions.boot_disk.clone(),
        },
        (Firmware::Bios, None) if grub => return grub_on_bios(boot, decisions, observed),
        (Firmware::Efi, None) if grub && !boot.grub_efi => BootProblem::NeedsBios {
            on_disk: boot.grub_devices.iter().any(|device| device != NO_DEVICE),
        },
        // Many machines start it all the same, from its fallback path.
        (Firmware::Efi, _) if grub && !boot.touch_efi_variables && !boot.grub_removable => BootProblem::NoEntry,
        _ => return Vec::new(),
    };
    vec![problem.into()]
}

fn has(boot: &Boot, loader: &str) -> bool {
    boot.loaders.iter().any(|name| name == loader)
}

fn grub_on_bios(boot: &Boot, decisions: &Decisions, observed: &Observed) -> Vec<Diagnostic> {
    let devices = boot.grub_devices.iter().filter(|device| *device != NO_DEVICE);
    let devices: Vec<&String> = devices.collect();
    let disk = &decisions.boot_disk;
    if devices == [ANY_DISK] {
        return Vec::new();
    }
    if devices.is_empty() {
        return vec![BootProblem::GrubDeviceNone { disk: disk.clone() }.into()];
    }
    let real = |path: &Path| observed.real_paths.get(path);
    let missing = devices.iter().filter(|device| real(Path::new(device)).is_none());
    let missing = missing.map(|&device| BootProblem::GrubDeviceMissing {
        device: device.clone(),
        disk: disk.clone(),
    });
    let problems: Vec<Diagnostic> = missing.map(Diagnostic::from).collect();
    match disk {
        Some(chosen) if problems.is_empty() => {
            let real_disk = real(chosen).unwrap_or(chosen);
            let is_chosen = |device: &&String| real(Path::new(device)) == Some(real_disk);
            let other = || BootProblem::GrubDeviceOther {
                devices: devices.iter().map(|&device| device.clone()).collect(),
                disk: chosen.clone(),
            };
            let other = (!devices.iter().any(is_chosen)).then(other);
            other.into_iter().map(Diagnostic::from).collect()
        }
        _ => problems,
    }
}

/// One problem for each file system from which GRUB has to read kernels, and cannot.
pub(super) fn grub_unreadable(boot: &Boot, observed: &Observed) -> Vec<Diagnostic> {
    let problem = |mount: &Mount| BootProblem::GrubUnreadable {
        version: boot.grub_version.clone(),
        device: mount.source.clone(),
        kind: mount.kind.clone(),
    };
    let unreadable = observed.grub_unreadable.iter();
    unreadable.map(|mount| problem(mount).into()).collect()
}

/// The mount point of the EFI system partition, where the boot loader needs one.
pub(super) fn needed_esp<'a>(boot: &'a Boot, decisions: &Decisions) -> Option<&'a str> {
    let efi = EFI_ONLY.into_iter().any(|name| has(boot, name)) || has(boot, "grub") && boot.grub_efi;
    (!boot.container && decisions.firmware == Firmware::Efi && efi).then_some(boot.esp.as_str())
}

/// The problem of an EFI system partition that is needed at `esp`, and that the configuration does not mount there. `older`:
/// the hardware configuration that was on the target already.
pub(super) fn esp(esp: &str, disks: &Disks, observed: &Observed, older: Option<&Path>) -> Option<Diagnostic> {
    // What the UEFI specification requires every firmware to read.
    let is_fat = |system: &&FileSystem| ["vfat", "msdos", "auto"].contains(&system.kind.as_str());
    let configured = disks.file_systems.iter().find(|system| system.at == esp);
    let mounted = observed.mounted.iter().find(|mounted| mounted.at == esp);
    let esp = esp.to_owned();
    let problem = match (configured, mounted) {
        (Some(system), _) if is_fat(&system) => return None,
        (None, Some(mounted)) => BootProblem::EspNotConfigured {
            esp,
            device: mounted.source.clone().into(),
            older: older.map(Path::to_owned),
        },
        _ => BootProblem::NoEsp {
            esp,
            kind: configured.map(|system| system.kind.clone()),
            fat: disks.file_systems.iter().find(is_fat).map(|system| system.at.clone()),
        },
    };
    Some(problem.into())
}

/// The problem of a passphrase that is entered with one keymap here, and with another in the installed system. `is_made`: whether
/// the disk is partitioned; before, its encryption is that of the configuration.
pub(super) fn keymap(disks: &Disks, decisions: &Decisions, is_made: bool) -> Option<Diagnostic> {
    let typed = decisions.keymap.as_deref()?;
    let own = disks.keymap.as_str();
    // A keymap of the configuration can be the path of a file.
    let is_encrypted = decisions.root_encrypted || !is_made && !disks.luks.is_empty();
    if !is_encrypted || own.is_empty() || own.starts_with('/') || own == typed {
        return None;
    }
    Some(
        BootProblem::KeymapDiffers {
            own: own.to_owned(),
            typed: typed.to_owned(),
        }
        .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nix::facts::Volume;

    #[test]
    fn before_the_disk_is_partitioned_the_encryption_of_the_configuration_counts() {
        let disks = Disks {
            keymap: "us".into(),
            luks: vec![Volume::default()],
            ..Disks::default()
        };
        let differs = |root_encrypted, is_made| {
            let decisions = Decisions {
                keymap: Some("de".into()),
                root_encrypted,
                ..Decisions::default()
            };
            keymap(&disks, &decisions, is_made).is_some()
        };
        assert_eq!(
            [differs(false, false), differs(false, true), differs(true, true)],
            [true, false, true]
        );
    }

    fn codes(disk: &str, chosen: &str, firmware: Firmware) -> Vec<&'static str> {
        let boot = Boot {
            loaders: vec!["grub".into()],
            grub_devices: vec![disk.into()],
            ..Boot::default()
        };
        let decisions = Decisions {
            firmware,
            boot_disk: Some(chosen.into()),
            ..Decisions::default()
        };
        let real = [
            ("/dev/sda", "/dev/sda"),
            ("/dev/sdb", "/dev/sdb"),
            ("/dev/disk/by-id/a", "/dev/sda"),
        ];
        let observed = Observed {
            real_paths: real.map(|(path, real)| (path.into(), real.into())).into(),
            ..Observed::default()
        };
        let problems = boot_loader(&boot, &decisions, &observed);
        problems.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn grub_has_to_go_to_the_disk_that_was_chosen() {
        assert_eq!(codes("/dev/sda", "/dev/sda", Firmware::Bios), [""; 0]);
        assert_eq!(codes("/dev/sda", "/dev/sdb", Firmware::Bios), ["grub-device-other"]);
        // Another name of the same disk.
        assert_eq!(codes("/dev/disk/by-id/a", "/dev/sda", Firmware::Bios), [""; 0]);
        assert_eq!(
            codes("/dev/nosuch", "/dev/sda", Firmware::Bios),
            ["grub-device-missing"]
        );
        assert_eq!(codes("nodev", "/dev/sda", Firmware::Bios), ["grub-device-none"]);
        assert_eq!(codes("/dev/sda", "/dev/sda", Firmware::Efi), ["boot-needs-bios"]);
    }
}
