//! Whether the installed system will find its file systems on a disk that the installer makes without disko.

use super::request::{BOOT_LABEL, ROOT_LABEL, Request};
use crate::diagnostic::{AnswersFileProblem, Diagnostic, FileSystemProblem, Problem};
use crate::live::decisions::Firmware;
use crate::live::installer_facts::{InstallerFacts, STAND_IN_ROOT};
use crate::nix::facts::{Disks, Facts, FileSystem};

/// Where the installer is to make a disk: reports what it does not make, in place of what a person would have to partition.
pub(super) fn instead((request, machine): (&Request, &InstallerFacts), facts: &Facts, problems: &mut Vec<Diagnostic>) {
    let is_to_be_made = request.plain_layout.is_some() && machine.before_partitioning;
    let Some(disks) = facts.disks.as_ref().filter(|_| is_to_be_made) else {
        return;
    };
    let is_fixed = |problem: &Problem| matches!(problem, Problem::FileSystemProblem(FileSystemProblem::Fixed { .. }));
    problems.retain(|problem| !is_fixed(&problem.problem));
    problems.extend(own_file_systems(
        disks,
        facts.boot.as_ref().map(|boot| boot.esp.as_str()),
    ));
}

/// Where the installer makes the disk (`by_disko`: by the configuration's layout), nobody makes a file system of which the configuration
/// sets only options: replaces the warnings that a person would have to.
pub(super) fn not_made((request, by_disko): (&Request, bool), facts: &Facts, problems: &mut Vec<Diagnostic>) {
    let plain = request.plain_layout.as_ref();
    if plain.is_none() && !by_disko {
        return;
    }
    let boot = plain.and_then(|plain| match plain.firmware {
        Firmware::Efi => facts.boot.as_ref().map(|boot| boot.esp.as_str()),
        Firmware::Bios => plain.passphrase.as_ref().map(|_| "/boot"),
    });
    problems.retain_mut(|problem| {
        let Problem::FileSystemProblem(FileSystemProblem::OnlyOptions {
            names,
            partitioned: false,
        }) = &problem.problem
        else {
            return true;
        };
        let is_left = |name: &&String| Some(name.as_str()) != boot;
        let names: Vec<String> = names.iter().filter(is_left).cloned().collect();
        let is_problem = !names.is_empty();
        let file = problem.place.take();
        *problem = FileSystemProblem::NotMade { names }.into();
        problem.place = file;
        is_problem
    });
}

/// The problem of file systems that the configuration sets itself, and that are not those that are made. `esp`: where the EFI
/// system partition has to be.
fn own_file_systems(disks: &Disks, esp: Option<&str>) -> Option<Diagnostic> {
    let label = |label: &str| format!("/dev/disk/by-label/{label}");
    let is_made = |system: &FileSystem, kind: &str, name: &str| {
        [kind, "auto"].contains(&system.kind.as_str()) && system.device == label(name)
    };
    let fits = |system: &FileSystem| match system.at.as_str() {
        "/" => system.device == STAND_IN_ROOT || is_made(system, "ext4", ROOT_LABEL),
        "/nix" | "/nix/store" => false,
        at if Some(at) == esp => is_made(system, "vfat", BOOT_LABEL),
        _ => true,
    };
    let others = disks.file_systems.iter().filter(|system| !fits(system));
    let systems: Vec<(String, String)> = others
        .map(|system| (system.at.clone(), format!("{} ({})", system.device, system.kind)))
        .collect();
    (!systems.is_empty()).then(|| AnswersFileProblem::OwnFileSystems { systems }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_that_will_not_be_there_are_refused() {
        let refused = |systems: &[(&str, &str, &str)]| {
            let system = |(at, device, kind): &(&str, &str, &str)| FileSystem {
                at: (*at).to_owned(),
                device: (*device).to_owned(),
                kind: (*kind).to_owned(),
                ..FileSystem::default()
            };
            let disks = Disks {
                file_systems: systems.iter().map(system).collect(),
                ..Disks::default()
            };
            own_file_systems(&disks, Some("/boot")).map(|problem| problem.why)
        };
        let root = ("/", "/dev/disk/by-label/nixos", "ext4");
        for good in [
            vec![
                ("/", STAND_IN_ROOT, "ext4"),
                ("/home", "/dev/sdb1", "xfs"),
                ("/tmp", "tmpfs", "tmpfs"),
            ],
            vec![root, ("/boot", "/dev/disk/by-label/BOOT", "vfat")],
        ] {
            assert_eq!(refused(&good), None);
        }
        for (bad, at) in [
            (vec![("/", "/dev/disk/by-partlabel/disk-main-root", "ext4")], "/ from"),
            (vec![("/", "/dev/disk/by-label/nixos", "btrfs")], "/ from"),
            (vec![root, ("/nix", "/dev/sdb1", "ext4")], "/nix from"),
            (vec![root, ("/boot", "/dev/sda1", "vfat")], "/boot from"),
        ] {
            assert!(refused(&bad).unwrap().contains(at), "{bad:?}");
        }
    }
}
