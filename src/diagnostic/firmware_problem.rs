//! What the firmware, or a boot loader's installer for it, does not accept: partition types, and variables.

use super::{Text, error, warning};

/// What is wrong with what the firmware reads.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum FirmwareProblem {
    /// The partition at `at` does not have the type that its `role` needs; `command` sets it. `refused`: the boot loader's
    /// installer does not accept that.
    PartitionType { role: PartitionRole, at: String, device: String, command: String, refused: bool },
    /// systemd-boot is to be installed on `device`, whose partition table is not a GPT.
    NotGpt { device: String },
    /// bootctl refused the partition `device`.
    Refused { device: String, reason: Refusal },
    /// The firmware's memory for variables is full.
    VariablesFull,
}

/// What a partition is for.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum PartitionRole {
    /// The EFI system partition.
    Esp,
    /// systemd-boot's extended boot loader partition.
    Xbootldr,
}

impl PartitionRole {
    fn name(self) -> &'static str {
        match self {
            Self::Esp => "EFI system partition",
            Self::Xbootldr => "extended boot loader partition",
        }
    }

    /// The type in a GPT (UEFI specification 2.10, 5.3.3; the Discoverable Partitions Specification).
    #[must_use]
    pub fn guid(self) -> &'static str {
        match self {
            Self::Esp => "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
            Self::Xbootldr => "bc13c2ff-59e6-4262-a352-b275fd6f7172",
        }
    }
}

/// Why bootctl refused a partition.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum Refusal {
    Type(PartitionRole),
    NoGpt,
    NoPartition,
    NoFat,
}

impl FirmwareProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::PartitionType { role, at, device, command, refused } => partition_type((*role, *refused), at, device, command),
            Self::NotGpt { device } => warning(
                "esp-not-gpt",
                format!("The disk of the EFI system partition {device} has no GPT partition table"),
            )
            .because("bootctl, which installs systemd-boot, refuses other partition tables unless it runs in a container. The installation would fail after the system is copied.")
            .remedy("Partition the disk again with a GPT (everything on it is lost), or use GRUB: boot.loader.grub.efiSupport = true; boot.loader.grub.device = \"nodev\";"),
            Self::Refused { device, reason } => refused(device, reason),
            Self::VariablesFull => error("efi-variables-full", "The firmware's memory for EFI variables is full")
                .because("The boot loader could not be added to the firmware's boot menu, which is in that memory. No disk is full: a larger disk does not help.")
                .remedy(
                    "Delete what is not needed: `efibootmgr` lists the entries of the boot menu, `efibootmgr -B -b NUMBER` deletes one, and `rm /sys/firmware/efi/efivars/dump-*` deletes the kernel's crash dumps. \
                     Many firmwares free the memory only at a restart. Then run the command again.\n\
                     Or start without an entry: boot.loader.efi.canTouchEfiVariables = false; (with GRUB also: boot.loader.grub.efiInstallAsRemovable = true;)",
                ),
        }
    }
}

fn partition_type((role, refused): (PartitionRole, bool), at: &str, device: &str, command: &str) -> Text {
    let what = format!("The partition at {at}, {device}, does not have the type of an {}", role.name());
    let remedy = format!("{command}\nThis changes only the type and loses no data. Then run the command again.");
    if refused {
        return error("esp-type", what)
            .because("bootctl, which installs systemd-boot, refuses it. The installation would fail after the system is copied.")
            .remedy(remedy);
    }
    warning("esp-type", what)
        .because("Many firmwares look for boot loaders only on partitions of that type.")
        .remedy(remedy)
}

fn refused(device: &str, reason: &Refusal) -> Text {
    let text = |role: PartitionRole| {
        let what = format!("bootctl refused the {}: {device}", role.name());
        error("esp-refused", what)
    };
    match reason {
        Refusal::Type(role) => text(*role)
            .because("The partition has another type.")
            .remedy(format!(
                "Set its type, which loses no data: sfdisk --part-type DISK NUMBER {} (`lsblk -o NAME,MAJ:MIN,PARTN,PARTTYPENAME` shows both). Then run the command again: it continues from here.",
                role.guid()
            )),
        Refusal::NoGpt => text(PartitionRole::Esp)
            .because("The partition table of its disk is not a GPT.")
            .remedy("Partition the disk again with a GPT (everything on it is lost), or use GRUB in the configuration."),
        Refusal::NoPartition => text(PartitionRole::Esp)
            .because("It is not a partition, but a whole disk or a device of LVM, RAID or encryption, which the firmware does not read.")
            .remedy("Create an EFI system partition in the disk's GPT and mount it there, or use GRUB in the configuration."),
        Refusal::NoFat => text(PartitionRole::Esp)
            .because("No FAT file system is mounted there.")
            .remedy("Mount the EFI system partition there (to create one: mkfs.fat -F 32, with the partition type EFI System). Then run the command again: it continues from here."),
    }
}
