//! The types of the partitions that the firmware and systemd-boot read.

use crate::diagnostic::{Diagnostic, FirmwareProblem, PartitionRole};
use crate::nix::facts::Boot;
use crate::plan::observed::{Observed, Partition};

/// The problems of the EFI system partition at `esp`, and of systemd-boot's second partition, if there is one.
///
/// bootctl (systemd 255 to 262, `verify_esp` and `verify_xbootldr` in src/shared/find-esp.c) accepts only these types, except
/// in a container.
pub(super) fn partition_types(boot: &Boot, esp: &str, observed: &Observed) -> Vec<Diagnostic> {
    let is_systemd_boot = boot.loaders.iter().any(|loader| loader == "systemd-boot");
    let second = Some(boot.xbootldr.as_str()).filter(|at| !at.is_empty() && is_systemd_boot);
    let partitions = std::iter::once((PartitionRole::Esp, esp)).chain(second.map(|at| (PartitionRole::Xbootldr, at)));
    let problem = |(role, at): (PartitionRole, &str)| {
        let mounted = observed.mounted.iter().find(|mounted| mounted.at == at)?;
        // Of several devices (RAID), none is a partition.
        let partition = mounted.devices.first()?.partition.as_ref()?;
        let device = mounted.source.clone();
        let problem = match wrong_type(role, partition) {
            Some(command) => FirmwareProblem::PartitionType {
                role,
                at: at.to_owned(),
                device,
                command,
                refused: is_systemd_boot,
            },
            None if is_systemd_boot && partition.table == "dos" && matches!(role, PartitionRole::Esp) => {
                FirmwareProblem::NotGpt { device }
            }
            None => return None,
        };
        Some(problem.into())
    };
    partitions.filter_map(problem).collect()
}

/// The command that gives the partition the type of its role; `None` if it has it, or where the partition table is neither a
/// GPT nor an MBR.
fn wrong_type(role: PartitionRole, partition: &Partition) -> Option<String> {
    let (number, wanted) = match partition.table.as_str() {
        "gpt" => (role.guid(), role.guid()),
        "dos" => match role {
            PartitionRole::Esp => ("0xef", "ef"),
            PartitionRole::Xbootldr => ("0xea", "ea"),
        },
        _ => return None,
    };
    let (disk, index) = (partition.disk.display(), &partition.number);
    (partition.kind != number).then(|| format!("sfdisk --part-type {disk} {index} {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::observed::{Device, Mounted};

    /// The problem of an EFI system partition of that type, in a table of that kind.
    fn reported(loader: &str, table: &str, kind: &str) -> Vec<String> {
        let boot = Boot {
            loaders: vec![loader.to_owned()],
            ..Boot::default()
        };
        let device = Device {
            partition: Some(Partition {
                table: table.to_owned(),
                kind: kind.to_owned(),
                number: "1".to_owned(),
                disk: "/dev/sda".into(),
            }),
            ..Device::default()
        };
        let observed = Observed {
            mounted: vec![Mounted {
                at: "/boot".to_owned(),
                source: "/dev/sda1".to_owned(),
                devices: vec![device],
                ..Mounted::default()
            }],
            ..Observed::default()
        };
        let problems = partition_types(&boot, "/boot", &observed);
        let words = |problem: Diagnostic| format!("{:?} {} {}", problem.severity, problem.code, problem.remedy);
        problems.into_iter().map(words).collect()
    }

    #[test]
    fn a_partition_that_the_firmware_does_not_look_at_is_an_error_where_the_installer_refuses_it() {
        // As some partitioners leave it: Microsoft's basic data.
        let [esp, data] = [PartitionRole::Esp.guid(), "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"];
        assert_eq!(reported("systemd-boot", "gpt", esp), [""; 0]);
        let refused = reported("systemd-boot", "gpt", data);
        let command = format!("sfdisk --part-type /dev/sda 1 {esp}\n");
        assert!(
            refused[0].starts_with(&format!("Error esp-type {command}")),
            "{refused:?}"
        );
        let warned = reported("grub", "gpt", data);
        assert!(
            warned[0].starts_with(&format!("Warning esp-type {command}")),
            "{warned:?}"
        );
        assert!(reported("systemd-boot", "dos", "0xef")[0].starts_with("Warning esp-not-gpt"));
        assert_eq!(reported("grub", "dos", "0xef"), [""; 0]);
        assert!(reported("grub", "dos", "0xc")[0].contains("sfdisk --part-type /dev/sda 1 ef\n"));
        // What this program does not know.
        assert_eq!(reported("systemd-boot", "sun", "0x1"), [""; 0]);
    }
}
