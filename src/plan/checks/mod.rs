//! What the configuration says, beside what was decided outside it and what NixOS itself finds wrong.

pub mod boot;
pub mod coverage;
pub mod file_systems;
pub mod grub;
pub mod space;
pub mod users;

use std::path::Path;

use super::evaluate::Known;
use crate::plan::collector;
use file_systems::{Live, Tree};

use crate::diagnostic::Diagnostic;
use crate::live::decisions::Decisions;
use crate::live::installer_facts::InstallerFacts;
use crate::live::target::Target;
use crate::nix::facts::{Assertion, Disks};
use crate::plan::hardware_files;
use crate::plan::request::{LiveSystem, Request};
use crate::process::Runner;
use crate::progress::Reporter;
use crate::store::live_image::Image;
use crate::tree::hardware::Hardware;
use crate::tree::locate::in_tree;

/// What the checks look at.
pub struct Job<'a> {
    pub target: &'a Target,
    pub decisions: &'a Decisions,
    pub machine: &'a InstallerFacts,
    pub no_bootloader: bool,
    pub runner: &'a Runner,
    pub report: &'a Reporter,
    pub image: Option<&'a Image>,
}

impl<'a> Job<'a> {
    pub fn new(request: &'a Request, live: &'a LiveSystem<'_>, machine: &'a InstallerFacts) -> Self {
        Self {
            target: &request.target,
            decisions: &request.decisions,
            machine,
            no_bootloader: request.no_bootloader,
            runner: live.runner,
            report: live.report,
            image: live.image.as_ref(),
        }
    }
}

/// What the values of the configuration tell, beside what was decided outside it.
pub fn judge(
    known: &Known,
    (root, hardware): (&Path, &Hardware),
    machine: &InstallerFacts,
    job: &Job<'_>,
    tree: &Tree<'_>,
) -> Vec<Diagnostic> {
    let (facts, decisions) = (&known.facts, &job.decisions);
    let mut problems = Vec::new();
    let mut absent = Vec::new();
    match &facts.users {
        Some(users) => problems.extend(users::users(users, decisions, root)),
        None => absent.push("who can log in"),
    }
    match &facts.boot {
        // A boot loader that is left alone needs no disk, no partition and no firmware.
        Some(_) if job.no_bootloader => {}
        Some(boot) => {
            problems.extend(boot::boot(boot, decisions));
            if !machine.before_partitioning {
                problems.extend(grub::unreadable(boot, job));
            }
        }
        None => absent.push("the boot loader"),
    }
    if !hardware.imported && !facts.disks.as_ref().is_some_and(|disks| tree.is_used(disks)) {
        problems.push(nothing_imports(&hardware.path, facts.disks.as_ref()));
    }
    match &facts.disks {
        Some(disks) => {
            problems.extend(boot::keymap(disks, decisions));
            // Without a root there is no other either, for the same reason.
            let root = space::root(disks, &hardware.path.to_string_lossy());
            let after = !machine.before_partitioning && !job.no_bootloader;
            if let (Some(boot), None, true) = (&facts.boot, &root, after) {
                let file = hardware_files::existing(job.target, machine).ok().flatten();
                problems.extend(boot::esp(boot, disks, decisions, (job.target, file.as_deref())));
            }
            if root.is_none() {
                problems.extend(file_systems(known, machine, job, tree));
            }
            problems.extend(root);
        }
        None => absent.push("the file systems"),
    }
    match &facts.platform {
        Some(platform) => problems.extend(space::platform(platform)),
        None => absent.push("what machine the configuration is for"),
    }
    problems.extend(facts.warnings.iter().flatten().map(|text| nixos_warning(text)));
    problems.retain(|problem| known.partial.believes(problem));
    // Without a toplevel there is an error that says why nothing is known.
    if known.evaluated.is_some() {
        let why = "The configuration gives no value for it.";
        problems.extend(absent.into_iter().map(|what| collector::not_checked(what, why)));
    }
    problems
}

/// The problem of a hardware configuration that no file of the tree names.
fn nothing_imports(path: &Path, disks: Option<&Disks>) -> Diagnostic {
    let has_root = disks.is_some_and(|disks| disks.file_systems.iter().any(|system| system.at == "/"));
    let why = if has_root {
        "It is put there, but unless the configuration imports it, the system may lack the kernel modules that this machine needs to start."
    } else {
        "It is put there, but unless the configuration imports it in another way, the system has no root file system."
    };
    Diagnostic::warning(
        "hardware-not-imported",
        format!("No file of the configuration names {}", path.display()),
    )
    .because(why)
    .remedy("Add it to `imports`.")
}

/// Whether the system will find its file systems.
fn file_systems(known: &Known, machine: &InstallerFacts, job: &Job<'_>, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let (facts, decisions) = (&known.facts, &job.decisions);
    let Some(disks) = &facts.disks else { return Vec::new() };
    let boot = facts.boot.as_ref().filter(|_| !job.no_bootloader);
    if machine.before_partitioning {
        return file_systems::before(disks, boot, decisions, tree).into_iter().collect();
    }
    let target = job.target.root();
    let live = Live::look(job.runner, target);
    file_systems::after(disks, boot, decisions, tree, (target, &live), &known.contradictions)
}

fn nixos_warning(text: &str) -> Diagnostic {
    Diagnostic::warning(
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
pub fn assertions(known: &Known, root: &Path, told: &[Diagnostic]) -> Vec<Diagnostic> {
    let Some(said) = &known.assertions else {
        return Vec::new();
    };
    let is_told = |failed: &Assertion| {
        KNOWN_BY_VALUE.iter().any(|(words, codes)| {
            failed.message.contains(words) && told.iter().any(|problem| codes.contains(&problem.code))
        })
    };
    let problem = |failed: &Assertion| {
        let problem = Diagnostic::error("assertion", "The configuration contradicts itself")
            .because(failed.message.trim())
            .remedy("That is a rule of a NixOS module; change the options that it names.");
        match in_tree(&failed.file, root) {
            Some(file) => problem.at(file, (failed.line > 0).then_some(failed.line), None),
            None => problem,
        }
    };
    let failed = known.facts.assertions.iter().flatten();
    let mut problems: Vec<Diagnostic> = failed.filter(|failed| !is_told(failed)).map(problem).collect();
    problems.retain(|problem| known.partial.believes(problem));
    if let Some(first) = problems.first_mut() {
        first.raw.clone_from(&said.raw);
    }
    problems
}
