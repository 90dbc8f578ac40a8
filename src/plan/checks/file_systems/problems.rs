//! The problems of file systems, in words.

use std::fmt::Write;
use std::path::Path;

use super::mounted::Mounted;
use super::{Finding, Tree};
use crate::diagnostic::Diagnostic;
use crate::nix::facts::FileSystem;
use crate::tree::disk_layout;
use crate::tree::locate::in_tree;

/// How the file systems of the configuration give way to those of the installer. It is said with `disko` where the tree has it.
fn give_way<'a>(tree: &Tree<'_>, mut systems: impl Iterator<Item = &'a FileSystem>) -> String {
    let by_module = systems.any(|system| {
        tree.own(&system.set)
            .is_some_and(|own| in_tree(&own.file, tree.root).is_none())
    });
    let own = if by_module
        && disk_layout::disk_layouts(tree.root, &tree.hardware)
            .iter()
            .any(|own| own.disko)
    {
        "set `disko.enableConfig = false;` for this host"
    } else {
        "remove these `fileSystems` from the configuration"
    };
    let hardware = tree.hardware.first().map(|path| path.display().to_string());
    format!(
        "{own} and import ./{}, where the installer writes down what is mounted",
        hardware.unwrap_or_default()
    )
}

/// At the place in the tree that sets the first of them.
fn place<'a>(problem: Diagnostic, tree: &Tree<'_>, mut systems: impl Iterator<Item = &'a FileSystem>) -> Diagnostic {
    let own = systems.find_map(|system| Some((tree.own(&system.set)?, &system.at)));
    match own {
        Some((own, at)) => disk_layout::at_file_system(problem, tree.root, &tree.hardware, &own.file, at),
        None => problem,
    }
}

fn systems<'a>(findings: &'a [Finding<'_>]) -> impl Iterator<Item = &'a FileSystem> {
    findings.iter().filter_map(|one| one.system)
}

fn source(system: &FileSystem) -> String {
    match system.kind.as_str() {
        "tmpfs" | "ramfs" => "memory (tmpfs)".to_owned(),
        _ if system.device.is_empty() => "no device".to_owned(),
        _ => {
            let volume = system.options.iter().rev().find(|option| option.starts_with("subvol="));
            let volume = volume.map_or_else(String::new, |volume| format!(", {volume}"));
            format!("{} ({}{volume})", system.device, system.kind)
        }
    }
}

fn here(mounted: Option<&Mounted>) -> String {
    let Some(mounted) = mounted else {
        return "nothing is mounted there".to_owned();
    };
    let part = if mounted.part == "/" {
        String::new()
    } else {
        format!(", {}", mounted.part)
    };
    format!("mounted is {} ({}{part})", mounted.source, mounted.kind)
}

fn list(findings: &[Finding<'_>]) -> String {
    let mut text = String::new();
    for finding in findings {
        let system = match finding.system {
            Some(system) => format!("the configuration has {}", source(system)),
            None => "the configuration has nothing".to_owned(),
        };
        let at = finding.at;
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{at}: {system}; {}", here(finding.mounted));
    }
    text
}

/// Before the disk is partitioned.
pub(super) fn fixed(fixed: &[&FileSystem], tree: &Tree<'_>, by_installer: bool) -> Diagnostic {
    let what = "The configuration says itself which file systems this machine has";
    let mut why = String::new();
    for system in fixed {
        let _ = write!(why, "\n{}: {}", system.at, source(system));
    }
    let by_hand = "partition and format the disk as the configuration says (disko has a script for it), mount the file systems, and run nix-cfg-install in a terminal";
    let problem = if by_installer {
        Diagnostic::error("file-systems-fixed", what)
            .because(format!(
                "The graphical installer makes partitions of its own. The installed system would look for these instead, and could not start:{why}"
            ))
            .remedy(format!("Either {}. Or keep them: {by_hand}.", give_way(tree, fixed.iter().copied())))
    } else {
        Diagnostic::warning("file-systems-fixed", what)
            .because(format!("It can be installed only where these are mounted:{why}"))
            .remedy(format!(
                "Before the installation, {by_hand}. Or, for any other partitions, {}.",
                give_way(tree, fixed.iter().copied())
            ))
    };
    place(problem, tree, fixed.iter().copied())
}

/// What the machine cannot start without.
pub(super) fn other(vital: &[Finding<'_>], tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let target = target.display();
    let by_tree = vital
        .iter()
        .any(|one| one.system.is_some_and(|system| tree.own(&system.set).is_some()));
    let problem = Diagnostic::error(
        "file-system-other",
        format!("The installed system would not find what is mounted at {target}"),
    )
    .because(format!("It could not start:{}", list(vital)));
    if by_tree {
        return place(problem, tree, systems(vital)).remedy(format!(
            "Mount the file systems of the configuration at {target}. Or {}.",
            give_way(tree, systems(vital))
        ));
    }
    let file = tree.hardware.first().map(|path| path.display().to_string());
    problem.remedy(format!(
        "The hardware configuration at {target} was written when something else was mounted. Mount that again; or remove {target}/etc/nixos/{}: it is then written anew.",
        file.unwrap_or_default()
    ))
}

/// What the machine starts without, though perhaps not to the end.
pub(super) fn other_harmless(harmless: &[Finding<'_>], tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let problem = Diagnostic::warning(
        "file-system-other",
        format!("The installed system will not mount all that is mounted at {}, or waits for what is not there", target.display()),
    )
    .because(list(harmless).trim_start().to_owned())
    .remedy("What is missing when the machine starts makes it stop and wait, unless it has the option `nofail`. Correct it in the configuration, or mount what it has.");
    place(problem, tree, systems(harmless))
}

/// The same file system, under two names.
pub(super) fn twice(twice: &[Finding<'_>], tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let file = tree
        .hardware
        .first()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let target = target.display();
    let problem = Diagnostic::error(
        "file-system-twice",
        format!("The configuration and the target's {file} both set the same file systems"),
    )
    .because(format!("Nix refuses two names for one device:{}", list(twice)))
    .remedy(format!(
        "Remove {target}/etc/nixos/{file}: it is then written anew, without what the configuration sets. Or remove these file systems from one of the two."
    ));
    place(problem, tree, systems(twice))
}

pub(super) fn unsure(unsure: &[Finding<'_>], tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let mut why = list(unsure).trim_start().to_owned();
    let mut reasons: Vec<&str> = unsure.iter().map(|one| one.unsure).collect();
    reasons.dedup();
    for reason in reasons {
        let _ = write!(why, "\n{reason}");
    }
    let problem = Diagnostic::warning(
        "file-system-unsure",
        format!(
            "It cannot be told whether the installed system finds what is mounted at {}",
            target.display()
        ),
    )
    .because(why)
    .remedy("Look whether both are the same; a name by UUID leaves no doubt.");
    place(problem, tree, systems(unsure))
}

pub(super) fn locked(mounted: &Mounted) -> Diagnostic {
    Diagnostic::warning(
        "encrypted-not-opened",
        format!("The configuration does not open the encrypted volume of {}", mounted.at),
    )
    .because("No entry of `boot.initrd.luks.devices` has its device: unless something else opens it, the machine cannot start.")
    .remedy("Let the configuration import the hardware configuration, which has the entry, or add one: boot.initrd.luks.devices.NAME.device = \"/dev/disk/by-uuid/…\";")
}
