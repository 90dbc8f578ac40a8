//! The check of a configuration for the machine that a report describes.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::report::MachineReport;
use crate::diagnostic::{BootProblem, Delivery, Diagnostic, Problem, Severity};
use crate::live::decisions::Decisions;
use crate::memory::Memory;
use crate::nix::eval::Evaluation;
use crate::nix::facts::{Facts, Machine};
use crate::plan::checks::file_systems::{self, Tree};
use crate::plan::checks::{self, Context, coverage, space};
use crate::plan::hardware_files;
use crate::plan::observed::{Observed, SecureBoot};
use crate::tree::feature::NotCovered;
use crate::tree::hardware::Hardware;

/// What is installed, and how.
pub struct Installation<'a> {
    /// A copy of the configuration that may be changed.
    pub root: &'a Path,
    pub hardware: &'a Hardware,
    pub installs_boot_loader: bool,
    /// Whether the graphical installer can be used, which has GRUB installed on the disk that is chosen.
    pub graphical: bool,
    /// What the ISO is made without.
    pub not_covered: &'a [NotCovered],
}

/// The problems of the configuration on the machine, before its disk is partitioned; and why it cannot be evaluated with the
/// machine's hardware configuration. `evaluate` evaluates what is in `root`.
///
/// # Errors
/// Those of `evaluate`, and when the hardware configuration cannot be put into the copy.
pub fn check(
    report: &MachineReport,
    installation: &Installation<'_>,
    evaluate: &mut dyn FnMut() -> Result<Evaluation>,
) -> Result<(Vec<Diagnostic>, Option<Diagnostic>)> {
    let Installation { root, hardware, .. } = *installation;
    let mut problems = Vec::new();
    if let Some(text) = &report.hardware_configuration {
        hardware_files::put_described(text, root, &hardware.path)?;
        problems.extend(coverage::not_covered(text, installation.not_covered));
    }
    let tree = Tree::new(root, &hardware.path, true);
    let mut evaluation = evaluate()?;
    let twice = file_systems::contradictions(&evaluation.facts, &tree);
    if evaluation.toplevel.is_err() && report.hardware_configuration.is_some() && !twice.is_empty() {
        // The file systems that stand in for those to come, and the configuration's own.
        hardware_files::leave_out(root, &tree.hardware, &twice)?;
        evaluation = evaluate()?;
    }
    problems.extend(report.memory_bytes.and_then(|total| {
        // The live system takes some of it.
        let available = total;
        space::evaluation(&Memory {
            available,
            total,
            ..Memory::default()
        })
    }));
    let observed = observed(report, &evaluation.facts);
    let decisions = Decisions {
        firmware: report.firmware,
        largest_disk: report.disks.iter().filter_map(|disk| disk.bytes).max(),
        ..Decisions::default()
    };
    let context = Context {
        decisions: &decisions,
        tree: &tree,
        hardware,
        older_hardware: None,
        installs_boot_loader: installation.installs_boot_loader,
        target: None,
        platform: &report.platform,
        observed: &observed,
        delivery: &Delivery::Iso,
    };
    problems.extend(checks::check(&evaluation.facts, &context, &twice));
    if installation.graphical {
        problems.iter_mut().for_each(lessen);
    }
    Ok((problems, evaluation.toplevel.err()))
}

/// Makes a warning of an error that the graphical installer corrects.
fn lessen(problem: &mut Diagnostic) {
    use BootProblem::{GrubDeviceMissing, GrubDeviceNone};
    if let Problem::BootProblem(GrubDeviceMissing { .. } | GrubDeviceNone { .. }) = problem.problem {
        problem.severity = Severity::Warning;
    }
}

/// What the machine has of the things that the configuration names.
fn observed(report: &MachineReport, facts: &Facts) -> Observed {
    let grub = facts.boot.iter().flat_map(|boot| &boot.grub_devices);
    let layout = facts.disks.iter().flat_map(|disks| &disks.layout);
    let named = grub.chain(layout.map(|disk| &disk.device)).map(PathBuf::from);
    let product = &report.product;
    Observed {
        real_paths: named
            .filter_map(|name| {
                // Of disks that the report does not list, nothing is known to be missing.
                let unknown = report.disks.is_empty().then_some(name.as_path());
                let real = report.real_path(&name).or(unknown)?.to_owned();
                Some((name, real))
            })
            .collect(),
        machine: Machine {
            system: [product.vendor.as_str(), &product.name].join(" "),
            board: [product.board_vendor.as_str(), &product.board_name].join(" "),
        },
        secure_boot: SecureBoot {
            on: report.secure_boot,
            setup_mode: report.setup_mode,
            ..SecureBoot::default()
        },
        ..Observed::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::decisions::Firmware;
    use crate::nix::facts::{Boot, Definition, Disks, FileSystem, LayoutDisk};
    use crate::plan::machine::report::Disk;
    use crate::tree::feature::{Feature, FeatureKind};

    /// A BIOS machine with one disk.
    fn machine() -> MachineReport {
        MachineReport {
            platform: "x86_64-linux".to_owned(),
            firmware: Firmware::Bios,
            disks: vec![Disk {
                path: "/dev/sda".into(),
                names: vec!["/dev/disk/by-id/ata-mine".into()],
                ..Disk::default()
            }],
            hardware_configuration: Some("{ ... }: { hardware.gadget.enable = true; }\n".to_owned()),
            ..MachineReport::default()
        }
    }

    /// A configuration with a root from its hardware configuration, GRUB on `device`, and a disk of disko.
    fn facts(device: &str) -> Facts {
        let root = FileSystem {
            at: "/".to_owned(),
            set: vec![Definition {
                file: "/etc/nixos/machine.nix".to_owned(),
                value: "/dev/disk/by-label/not-yet".to_owned(),
            }],
            ..FileSystem::default()
        };
        Facts {
            platform: Some("x86_64-linux".to_owned()),
            boot: Some(Boot {
                loaders: vec!["grub".to_owned()],
                grub_devices: vec![device.to_owned()],
                ..Boot::default()
            }),
            disks: Some(Disks {
                file_systems: vec![root],
                ..Disks::default()
            }),
            ..Facts::default()
        }
    }

    /// What is found, and the hardware configuration that was evaluated.
    fn found(report: &MachineReport, facts: &Facts, graphical: bool) -> (Vec<String>, String) {
        let root = tempfile::tempdir().unwrap();
        let hardware = Hardware {
            path: "hardware-configuration.nix".into(),
            reason: String::new(),
            imported: true,
            doubt: None,
        };
        let gadget = NotCovered {
            feature: Feature {
                kind: FeatureKind::Attribute,
                name: "hardware.gadget.enable".to_owned(),
            },
            reason: "too large".to_owned(),
        };
        let installation = Installation {
            root: root.path(),
            hardware: &hardware,
            installs_boot_loader: true,
            graphical,
            not_covered: &[gadget],
        };
        let mut evaluate = || {
            let (facts, toplevel) = (facts.clone(), Ok(None));
            Ok(Evaluation { facts, toplevel })
        };
        let (problems, failed) = check(report, &installation, &mut evaluate).unwrap();
        assert!(failed.is_none());
        let short = |problem: &Diagnostic| format!("{:?} {}", problem.severity, problem.code);
        let text = std::fs::read_to_string(root.path().join(&hardware.path)).unwrap_or_default();
        (problems.iter().map(short).collect(), text)
    }

    #[test]
    fn the_checks_compare_with_what_the_report_says() {
        let machine = machine();
        let (problems, text) = found(&machine, &facts("/dev/sda"), false);
        assert_eq!(problems, ["Error not-covered"]);
        assert!(
            text.contains("hardware.gadget") && text.contains("./machine.nix"),
            "{text}"
        );
        assert_eq!(
            found(&machine, &facts("/dev/disk/by-id/ata-mine"), false).0,
            ["Error not-covered"]
        );
        let missing = |graphical| found(&machine, &facts("/dev/disk/by-id/ata-other"), graphical).0;
        assert_eq!(missing(false), ["Error not-covered", "Error grub-device-missing"]);
        assert_eq!(missing(true), ["Error not-covered", "Warning grub-device-missing"]);
        let uefi = MachineReport {
            firmware: Firmware::Efi,
            platform: "aarch64-linux".to_owned(),
            hardware_configuration: None,
            ..machine
        };
        let small = MachineReport {
            memory_bytes: Some(500_000_000),
            ..uefi.clone()
        };
        assert!(
            found(&small, &facts("/dev/sda"), false)
                .0
                .contains(&"Warning evaluation-memory-low".to_owned())
        );
        let (problems, text) = found(&uefi, &facts("/dev/sda"), false);
        assert_eq!(
            problems,
            [
                "Error boot-needs-bios",
                "Warning file-systems-fixed",
                "Error platform-other"
            ]
        );
        assert_eq!(text, "");
    }

    #[test]
    fn a_disk_of_the_layout_that_the_machine_does_not_have_is_named() {
        let machine = MachineReport {
            hardware_configuration: None,
            ..machine()
        };
        let with_layout = |machine: &MachineReport, device: &str| {
            let mut facts = facts("/dev/sda");
            let disks = facts.disks.as_mut().unwrap();
            disks.layout = vec![LayoutDisk {
                name: "main".to_owned(),
                device: device.to_owned(),
            }];
            found(machine, &facts, false).0
        };
        assert_eq!(
            with_layout(&machine, "/dev/disk/by-id/ata-mine"),
            ["Warning file-systems-fixed"]
        );
        let other = ["Warning layout-disk-missing", "Warning file-systems-fixed"];
        assert_eq!(with_layout(&machine, "/dev/disk/by-id/ata-other"), other);
        let unknown = MachineReport {
            disks: Vec::new(),
            ..machine
        };
        assert_eq!(with_layout(&unknown, "/dev/sdz"), ["Warning file-systems-fixed"]);
    }
}
