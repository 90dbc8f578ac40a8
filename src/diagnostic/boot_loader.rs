//! The machine could not start what is installed.

use std::path::{Path, PathBuf};

use super::{Text, error, warning};

/// What is wrong with the boot loader of a configuration, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootProblem {
    NoLoader,
    /// `loader` starts on UEFI only, and this machine was started by a BIOS. `disk`: the one that was chosen.
    NeedsUefi { loader: String, disk: Option<PathBuf> },
    /// GRUB is for a BIOS, and this machine was started by UEFI. `on_disk`: it is installed on a disk.
    NeedsBios { on_disk: bool },
    /// GRUB would be installed on no disk. `disk`: the one that was chosen.
    GrubDeviceNone { disk: Option<PathBuf> },
    /// GRUB is to be installed on `device`, which does not exist.
    GrubDeviceMissing { device: String, disk: Option<PathBuf> },
    /// GRUB is to be installed on `devices`, and the disk that was chosen is none of them.
    GrubDeviceOther { devices: Vec<String>, disk: PathBuf },
    /// GRUB neither makes an entry in the firmware's boot menu nor is where the firmware looks.
    NoEntry,
    /// Nothing, or no FAT file system, is at `esp`, where the boot loader is installed. `kind`: what the configuration has
    /// there. `fat`: the mount point of another FAT file system.
    NoEsp { esp: String, kind: Option<String>, fat: Option<String> },
    /// The EFI system partition is mounted, and the configuration does not mount it. `older`: the hardware configuration
    /// that was on the target already.
    EspNotConfigured { esp: String, device: PathBuf, older: Option<PathBuf> },
    /// GRUB of this version cannot read the file system of type `kind` that /boot is on.
    GrubUnreadable { version: String, device: PathBuf, kind: String },
    /// The passphrase of the disk is entered here with the keymap `typed`, and in the installed system with `own`.
    KeymapDiffers { own: String, typed: String },
}

impl BootProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoLoader => error("boot-loader-none", "The configuration has no boot loader")
                .because("No boot loader is enabled below `boot.loader`: the machine could not start the system.")
                .remedy("Enable `boot.loader.systemd-boot` (UEFI) or `boot.loader.grub` in the configuration."),
            Self::NeedsUefi { loader, disk } => needs_uefi(loader, disk.as_deref()),
            Self::NeedsBios { on_disk } => needs_bios(*on_disk),
            Self::GrubDeviceNone { disk } => error("grub-device-none", "GRUB would be installed on no disk")
                .because("This machine was started by a BIOS, which starts the first sector of a disk. The configuration names no disk.")
                .remedy(format!("{}.", set_device(disk.as_deref()))),
            Self::GrubDeviceMissing { device, disk } => error(
                "grub-device-missing",
                format!("GRUB is to be installed on {device}, which this machine does not have"),
            )
            .because("Disks have other names on other machines.")
            .remedy(set_whole_disk(disk.as_deref())),
            Self::GrubDeviceOther { devices, disk } => error(
                "grub-device-other",
                format!("GRUB is to be installed on {}, and the chosen disk is {}", devices.join(", "), disk.display()),
            )
            .because("The boot loader of another disk would be overwritten, and the chosen disk would not start.")
            .remedy(set_whole_disk(Some(disk))),
            Self::NoEntry => warning("boot-entry-none", "The firmware may not find the new boot loader")
                .because("With `canTouchEfiVariables = false`, and without `efiInstallAsRemovable`, GRUB makes no entry in the firmware's boot menu and is not where the firmware looks without one.")
                .remedy("Set `boot.loader.efi.canTouchEfiVariables = true;`, or `boot.loader.grub.efiInstallAsRemovable = true;`."),
            Self::NoEsp { esp, kind, fat } => no_esp(esp, kind.as_deref(), fat.as_deref()),
            Self::EspNotConfigured { esp, device, older } => esp_not_configured(esp, device, older.as_deref()),
            Self::GrubUnreadable { version, device, kind } => grub_unreadable(version, device, kind),
            Self::KeymapDiffers { own, typed } => keymap_differs(own, typed),
        }
    }
}

fn needs_uefi(loader: &str, disk: Option<&Path>) -> Text {
    let what = format!("This machine was started by a BIOS, and the configuration's boot loader ({loader}) needs UEFI");
    error("boot-needs-uefi", what)
        .because("The machine could not start the system.")
        .remedy(format!(
            "Start the installation medium in UEFI mode (a setting of the firmware; turn off \"CSM\" or \"legacy boot\"). Or use GRUB in the configuration: boot.loader.grub.device = \"{}\";",
            or_placeholder(disk)
        ))
}

fn needs_bios(on_disk: bool) -> Text {
    let why = if on_disk {
        "GRUB would be installed in the first sector of a disk, which UEFI does not read."
    } else {
        "GRUB would not be installed at all: without `efiSupport` it is for a BIOS."
    };
    error(
        "boot-needs-bios",
        "This machine was started by UEFI, and the configuration's GRUB is for a BIOS",
    )
    .because(why)
    .remedy("In the configuration: boot.loader.systemd-boot.enable = true; or boot.loader.grub.efiSupport = true; boot.loader.grub.device = \"nodev\"; Or start the medium in BIOS mode.")
}

fn no_esp(esp: &str, kind: Option<&str>, fat: Option<&str>) -> Text {
    let why = match kind {
        Some(kind) => format!("The boot loader is installed to {esp}, where the configuration mounts {kind}; it has to be a FAT file system."),
        None => format!("The boot loader is installed to {esp}, and nothing is mounted there."),
    };
    let remedy = match fat {
        Some(fat) => format!(
            "A FAT file system is at {fat}. If that is the EFI system partition: boot.loader.efi.efiSysMountPoint = \"{fat}\"; in the configuration. Or mount it at {esp}."
        ),
        None => format!(
            "Mount the EFI system partition at {esp} of the target, then run the command again. (To make one: mkfs.fat -F 32, with the partition type EFI System.)"
        ),
    };
    error("esp-none", "There is no EFI system partition for the boot loader")
        .because(why)
        .remedy(remedy)
}

fn esp_not_configured(esp: &str, device: &Path, older: Option<&Path>) -> Text {
    let what = format!("The installed system would not mount its EFI system partition at {esp}");
    let device = device.display();
    let why = format!("{device} is mounted there now, and the configuration has no file system for it.");
    let Some(older) = older.map(Path::display) else {
        return error("esp-not-configured", what)
            .because(why)
            .remedy(format!("Add `fileSystems.\"{esp}\"` to the configuration."));
    };
    error("esp-not-configured", what)
        .because(format!("{why} {older} was written before it was mounted."))
        .remedy(format!(
            "Remove {older}, and it will be generated from what is mounted. Or add `fileSystems.\"{esp}\"` to it. Then run the command again."
        ))
}

fn grub_unreadable(version: &str, device: &Path, kind: &str) -> Text {
    let device = device.display();
    let what = format!("GRUB {version} cannot read the file system that /boot is on: {device} ({kind})");
    let problem = error("grub-unreadable", what);
    let ext4 = "Make a separate partition for /boot, with ext4, and mount it below the target. Or install to ext4.";
    if kind != "xfs" {
        return problem
            .because("grub-install would fail, and the machine could not start.")
            .remedy(ext4);
    }
    problem
        .because("mkfs.xfs 6.18 and later enables features that GRUB reads from 2.14 on. The machine could not start.")
        .remedy(format!(
            "{ext4} Or make this file system again without these features: mkfs.xfs -i exchange=0 -n parent=0 (everything on {device} is lost)."
        ))
}

fn keymap_differs(own: &str, typed: &str) -> Text {
    let what = format!("The installed system will ask for the passphrase of the disk with another keymap: `{own}`");
    warning("keymap-differs", what)
        .because(format!(
            "Here the keymap is `{typed}`. The installed system uses the one of its configuration (`console.keyMap`), where keys can be in other places."
        ))
        .remedy(format!(
            "Set `console.keyMap = \"{typed}\";` in the configuration, or choose a passphrase that is typed alike with both keymaps."
        ))
}

fn set_device(disk: Option<&Path>) -> String {
    format!("Set `boot.loader.grub.device = \"{}\";` in the configuration", or_placeholder(disk))
}

fn set_whole_disk(disk: Option<&Path>) -> String {
    format!("{}: the whole disk, not a partition. `lsblk` lists the disks.", set_device(disk))
}

fn or_placeholder(disk: Option<&Path>) -> String {
    disk.map_or_else(|| "/dev/DISK".to_owned(), |disk| disk.display().to_string())
}
