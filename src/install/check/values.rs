//! What the configuration says, beside what was decided outside it and what NixOS itself finds wrong.

use std::path::{Path, PathBuf};

use super::evaluation::Known;
use super::{boot, found, grub, users};
use crate::install::machine::Machine;
use crate::install::{Job, hardware_files};
use crate::nix::facts::Assertion;
use crate::report::Problem;
use crate::tree::hardware::Hardware;
use crate::tree::source::INSTALLED;

/// What the values of the configuration tell, beside what was decided outside it.
pub fn judge(known: &Known, (root, hardware): (&Path, &Hardware), machine: &Machine, job: &Job<'_>) -> Vec<Problem> {
    let (facts, choices) = (&known.facts, &job.choices);
    let mut problems = Vec::new();
    let mut absent = Vec::new();
    match &facts.users {
        Some(users) => problems.extend(users::users(users, choices, root)),
        None => absent.push("who can log in"),
    }
    match &facts.boot {
        // A boot loader that is left alone needs no disk, no partition and no firmware.
        Some(_) if job.no_bootloader => {}
        Some(boot) => {
            problems.extend(boot::boot(boot, choices));
            if !machine.before_partitioning {
                problems.extend(grub::unreadable(boot, job));
            }
        }
        None => absent.push("the boot loader"),
    }
    match &facts.disks {
        Some(disks) => {
            problems.extend(boot::keymap(disks, choices));
            // Without a root there is no other either, for the same reason.
            let root = super::machine::root(disks, &hardware.path.to_string_lossy());
            let after = !machine.before_partitioning && !job.no_bootloader;
            if let (Some(boot), None, true) = (&facts.boot, &root, after) {
                let file = hardware_files::existing(job, machine).ok().flatten();
                problems.extend(boot::esp(boot, disks, choices, (&job.target, file.as_deref())));
            }
            problems.extend(root);
        }
        None => absent.push("the file systems"),
    }
    match &facts.platform {
        Some(platform) => problems.extend(super::machine::platform(platform)),
        None => absent.push("what machine the configuration is for"),
    }
    problems.extend(facts.warnings.iter().flatten().map(|text| nixos_warning(text)));
    problems.retain(|problem| known.partial.believes(problem));
    // Without a toplevel there is an error that says why nothing is known.
    if known.evaluated.is_some() {
        let why = "The configuration gives no value for it.";
        problems.extend(absent.into_iter().map(|what| found::not_checked(what, why)));
    }
    problems
}

fn nixos_warning(text: &str) -> Problem {
    Problem::warning(
        "nixos-warning",
        "A module of NixOS warns of something in the configuration",
    )
    .because(text.trim())
    .remedy("Follow what it says; the installation goes on without.")
}

/// Assertions of nixpkgs (24.05) that the check finds by the values itself, and tells with this machine's disks and files;
/// and the codes under which it does.
const KNOWN_BY_VALUE: [(&str, &[&str]); 3] = [
    ("does not specify your root file system", &["root-file-system-none"]),
    (
        "Neither the root account nor any wheel user has a password",
        &["nobody-can-log-in", "nobody-is-root"],
    ),
    (
        "You must set the option ‘boot.loader.grub.devices’",
        &["grub-device-none", "boot-needs-bios"],
    ),
];

/// One problem for each broken rule that is not among `told`.
pub fn assertions(known: &Known, root: &Path, told: &[Problem]) -> Vec<Problem> {
    let Some(said) = &known.assertions else {
        return Vec::new();
    };
    let is_told = |failed: &Assertion| {
        KNOWN_BY_VALUE.iter().any(|(words, codes)| {
            failed.message.contains(words) && told.iter().any(|problem| codes.contains(&problem.code))
        })
    };
    let problem = |failed: &Assertion| {
        let problem = Problem::error("assertion", "The configuration contradicts itself")
            .because(failed.message.trim())
            .remedy("That is a rule of a NixOS module; change the options that it names.");
        match in_tree(&failed.file, root) {
            Some(file) => problem.at(file, (failed.line > 0).then_some(failed.line), None),
            None => problem,
        }
    };
    let failed = known.facts.assertions.iter().flatten();
    let mut problems: Vec<Problem> = failed.filter(|failed| !is_told(failed)).map(problem).collect();
    problems.retain(|problem| known.partial.believes(problem));
    if let Some(first) = problems.first_mut() {
        first.raw.clone_from(&said.raw);
    }
    problems
}

/// `file` relative to the tree, if it is in it: a flake is evaluated from its copy in the store, a channel configuration
/// where the installed system has it.
fn in_tree(file: &str, root: &Path) -> Option<PathBuf> {
    let file = Path::new(file);
    let inside = match file.strip_prefix("/nix/store") {
        Ok(in_store) => in_store.components().skip(1).collect(),
        Err(_) => file.strip_prefix(INSTALLED).ok()?.to_owned(),
    };
    root.join(&inside).is_file().then_some(inside)
}
