//! The problems of file systems, at their places.

use std::path::{Path, PathBuf};

use super::finding::{Finding, Tree};
use crate::diagnostic::{Alternative, Diagnostic, Difference, Doubt, FileSystemProblem};
use crate::nix::facts::{Definition, FileSystem};
use crate::plan::observed::Mounted;
use crate::tree::disk_layout;
use crate::tree::locate::in_tree;

/// The configuration has `fixed` before the disk is partitioned.
pub(super) fn fixed(fixed: &[&FileSystem], tree: &Tree<'_>, graphical: bool) -> Diagnostic {
    let problem = FileSystemProblem::Fixed {
        systems: fixed.iter().map(|system| (system.at.clone(), source(system))).collect(),
        graphical,
        alternative: alternative(tree, fixed.iter().copied()),
    };
    at_first(problem, tree, fixed.iter().copied())
}

/// The machine cannot start without `vital`.
pub(super) fn other(vital: &[Finding<'_>], tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let is_own = |system: &FileSystem| tree.own(&system.set).is_some();
    let is_own = systems(vital).any(is_own);
    let problem = FileSystemProblem::Other {
        differences: differences(vital),
        target: target.to_owned(),
        hardware: hardware(tree),
        alternative: is_own.then(|| alternative(tree, systems(vital))),
    };
    at_first(problem, tree, systems(vital))
}

/// The machine starts without `optional`, though it may wait for it.
pub(super) fn other_optional(optional: &[Finding<'_>], tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let problem = FileSystemProblem::OtherOptional {
        differences: differences(optional),
        target: target.to_owned(),
    };
    at_first(problem, tree, systems(optional))
}

/// The same file systems, each under two names.
pub(super) fn set_twice(twice: &[Finding<'_>], tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let problem = FileSystemProblem::SetTwice {
        differences: differences(twice),
        target: target.to_owned(),
        hardware: hardware(tree),
    };
    at_first(problem, tree, systems(twice))
}

pub(super) fn unsure(unsure: Vec<(Finding<'_>, Doubt)>, tree: &Tree<'_>, target: &Path) -> Diagnostic {
    let (unsure, mut doubts): (Vec<Finding<'_>>, Vec<Doubt>) = unsure.into_iter().unzip();
    doubts.dedup();
    let problem = FileSystemProblem::Unsure {
        differences: differences(&unsure),
        doubts,
        target: target.to_owned(),
    };
    at_first(problem, tree, systems(&unsure))
}

/// The configuration gives several values to each option of `contradicting`.
pub(super) fn contradiction(contradicting: &[(String, &Vec<Definition>)], tree: &Tree<'_>) -> Diagnostic {
    let place = |file: &str| match in_tree(file, tree.root) {
        Some(inside) => inside.display().to_string(),
        None => file.to_owned(),
    };
    let mut values = Vec::new();
    for (option, set) in contradicting {
        let set = set.iter().map(|one| (place(&one.file), one.value.clone()));
        values.push((option.clone(), set.collect()));
    }
    let problem = Diagnostic::from(FileSystemProblem::Contradiction { values });
    let mut files = contradicting.iter().flat_map(|(_, set)| set.iter());
    problem.in_file(files.find_map(|one| in_tree(&one.file, tree.root)))
}

/// How the user's own `systems` can be replaced by those of the installer.
fn alternative<'a>(tree: &Tree<'_>, mut systems: impl Iterator<Item = &'a FileSystem>) -> Alternative {
    let by_module = systems.any(|system| {
        let own = tree.own(&system.set);
        own.is_some_and(|own| in_tree(&own.file, tree.root).is_none())
    });
    let layouts = || disk_layout::disk_layouts(tree.root, &tree.hardware);
    Alternative {
        disko: by_module && layouts().iter().any(|layout| layout.disko),
        hardware: hardware(tree),
    }
}

fn hardware(tree: &Tree<'_>) -> PathBuf {
    tree.hardware.first().cloned().unwrap_or_default()
}

/// The problem at the place in the tree that sets the first of `systems`.
fn at_first<'a>(
    problem: FileSystemProblem,
    tree: &Tree<'_>,
    mut systems: impl Iterator<Item = &'a FileSystem>,
) -> Diagnostic {
    let own = systems.find_map(|system| Some((tree.own(&system.set)?, &system.at)));
    match own {
        Some((own, at)) => disk_layout::at_file_system(problem.into(), tree.root, &tree.hardware, &own.file, at),
        None => problem.into(),
    }
}

fn systems<'a>(findings: &'a [Finding<'_>]) -> impl Iterator<Item = &'a FileSystem> {
    findings.iter().filter_map(|one| one.system)
}

fn differences(findings: &[Finding<'_>]) -> Vec<Difference> {
    let difference = |finding: &Finding<'_>| Difference {
        at: finding.at.to_owned(),
        configured: finding.system.map(source),
        mounted: finding.mounted.map(mounted_source),
    };
    findings.iter().map(difference).collect()
}

/// What the configuration mounts: `/dev/sda1 (ext4)`.
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

fn mounted_source(mounted: &Mounted) -> String {
    match mounted.part.as_str() {
        "/" => format!("{} ({})", mounted.source, mounted.kind),
        part => format!("{} ({}, {part})", mounted.source, mounted.kind),
    }
}
