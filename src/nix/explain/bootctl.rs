//! The words of the programs that install boot loaders: bootctl (systemd 252 to 262), grub-install (2.02 to 2.14), efibootmgr
//! (17 and 18) and libefivar, which nixos-install passes on.

use super::said::Said;
use crate::diagnostic::{Diagnostic, FirmwareProblem, PartitionRole, Refusal};

/// The kernel's efivarfs returns the error of a full disk, although it is not a disk.
pub(super) fn variables_full(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(
        r"(?:EFI variable|EFI Boot variable|EFI boot entry|Boot\w* variable|efivarfs)[^\n]*: No space left on device",
    )?;
    Some(FirmwareProblem::VariablesFull.into())
}

/// `verify_esp` and `verify_xbootldr` in systemd's src/shared/find-esp.c.
pub(super) fn partition_refused(said: &Said<'_>) -> Option<Diagnostic> {
    let esp = r#"File system "([^"\n]+)" (has wrong type for an EFI|is not on a GPT|is not located on a partitioned|is not a FAT EFI)"#;
    let second =
        r#"([^\s"]+)(?:: Partition has wrong PART_ENTRY_TYPE=\S+ for XBOOTLDR|" has wrong type for extended boot) "#;
    let (device, reason) = match (said.find(esp), said.find(second)) {
        (Some([device, reason]), _) => {
            let reason = match reason {
                "has wrong type for an EFI" => Refusal::Type(PartitionRole::Esp),
                "is not on a GPT" => Refusal::NoGpt,
                "is not a FAT EFI" => Refusal::NoFat,
                _ => Refusal::NoPartition,
            };
            (device, reason)
        }
        (None, Some([device])) => (device, Refusal::Type(PartitionRole::Xbootldr)),
        (None, None) => return None,
    };
    let device = device.to_owned();
    Some(FirmwareProblem::Refused { device, reason }.into())
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{FirmwareProblem, PartitionRole, Problem, ProgramProblem, Refusal};
    use crate::nix::explain::known;

    #[test]
    fn a_full_memory_of_the_firmware_is_not_a_full_disk() {
        for said in [
            "Created \"/boot/EFI/BOOT\".\nFailed to create EFI Boot variable entry: No space left on device",
            "Failed to create EFI Boot variable entry \"Linux Boot Manager\": No space left on device",
            "Failed to write 'LoaderSystemToken' EFI variable: No space left on device",
            "Installing for x86_64-efi platform.\ngrub-install: error: failed to register the EFI boot entry: No space left on device.",
            "grub-install: warning: Cannot set EFI variable Boot0003.\n\
             grub-install: warning: efivarfs_set_variable: writing to fd 7 failed: No space left on device.\n\
             grub-install: error: failed to register the EFI boot entry: No space left on device.",
            "Could not prepare Boot variable: No space left on device",
        ] {
            let problem = known(said).map(|problem| problem.problem);
            let full = Problem::FirmwareProblem(FirmwareProblem::VariablesFull);
            assert_eq!(problem, Some(full), "{said}");
        }
        let disk = "OSError: [Errno 28] No space left on device: '/boot/EFI/nixos/abc-initrd.efi'";
        let full = Problem::ProgramProblem(ProgramProblem::DiskFull);
        assert_eq!(known(disk).map(|problem| problem.problem), Some(full));
    }

    #[test]
    fn a_partition_that_bootctl_refuses_is_named_with_the_reason() {
        for (said, device, reason) in [
            (
                "File system \"/dev/block/259:1\" has wrong type for an EFI System Partition (ESP).",
                "/dev/block/259:1",
                Refusal::Type(PartitionRole::Esp),
            ),
            (
                "File system \"/dev/sda2\" has wrong type for extended boot loader partition.",
                "/dev/sda2",
                Refusal::Type(PartitionRole::Xbootldr),
            ),
            (
                "/dev/sda2: Partition has wrong PART_ENTRY_TYPE=0fc63daf-8483-4772-8e79-3d69d8477de4 for XBOOTLDR partition.",
                "/dev/sda2",
                Refusal::Type(PartitionRole::Xbootldr),
            ),
            (
                "File system \"/dev/sda1\" is not on a GPT partition table.",
                "/dev/sda1",
                Refusal::NoGpt,
            ),
            (
                "File system \"/dev/md127\" is not located on a partitioned block device.",
                "/dev/md127",
                Refusal::NoPartition,
            ),
            (
                "File system \"/boot\" is not a FAT EFI System Partition (ESP) file system.",
                "/boot",
                Refusal::NoFat,
            ),
        ] {
            let device = device.to_owned();
            let expected = Problem::FirmwareProblem(FirmwareProblem::Refused { device, reason });
            assert_eq!(known(said).map(|problem| problem.problem), Some(expected), "{said}");
        }
    }
}
