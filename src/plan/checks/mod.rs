//! What is wrong with a configuration on this machine. Each check is a function from values, and the private copy of the tree,
//! to problems; it does not look at the live system.

mod boot;
pub mod coverage;
mod esp_type;
mod facter;
pub mod file_systems;
pub mod first_start;
mod keys;
pub mod kept_places;
mod layout_disks;
pub mod platform;
mod rules;
mod signing;
pub mod space;
mod users;
mod zfs;

use std::collections::BTreeSet;
use std::path::Path;

use crate::diagnostic::{Delivery, Diagnostic, DiskoProblem};
use crate::live::decisions::Decisions;
use crate::nix::facts::{Boot, Disks, Facts};
use crate::plan::collector::not_checked;
use crate::plan::observed::Observed;
use crate::tree::hardware::Hardware;
use file_systems::Tree;
use keys::Files;
pub use rules::assertions;
pub use signing::note as secure_boot_note;

/// What the values of a configuration are compared with.
pub struct Context<'a> {
    pub decisions: &'a Decisions,
    pub tree: &'a Tree<'a>,
    pub hardware: &'a Hardware,
    /// The hardware configuration that was on the target already.
    pub older_hardware: Option<&'a Path>,
    /// Whether a boot loader is installed. Otherwise its disk, its partition and the firmware do not matter.
    pub installs_boot_loader: bool,
    /// The mount point of the target; absent before the disk is partitioned.
    pub target: Option<&'a Path>,
    /// The machine's platform.
    pub platform: &'a str,
    pub observed: &'a Observed,
    /// How a file that the configuration does not have gets to the target.
    pub delivery: &'a Delivery,
}

/// What is wrong with the values in `facts`. `omitted` is what was taken out of the hardware configuration because the
/// configuration sets it too.
pub fn check(facts: &Facts, context: &Context<'_>, omitted: &[Vec<String>]) -> Vec<Diagnostic> {
    let Context {
        decisions,
        tree,
        hardware,
        observed,
        ..
    } = context;
    let boot = facts.boot.as_ref().filter(|_| context.installs_boot_loader);
    let files = files(facts, tree.root, &observed.present, context.delivery);
    let mut problems = Vec::new();
    if let Some(users) = &facts.users {
        problems.extend(users::users(users, decisions, tree.root, files.as_ref()));
    }
    if let Some(files) = &files {
        problems.extend(file_problems(files, facts, boot, decisions));
    }
    if let Some(boot) = boot {
        problems.extend(boot::boot_loader(boot, decisions, observed));
        problems.extend(boot::grub_unreadable(boot, observed));
        let firmware = |files| signing::firmware(files, boot, decisions, &observed.secure_boot);
        problems.extend(files.as_ref().map(firmware).unwrap_or_default());
    }
    if let Some(files) = &facts.boot_files {
        let specialisations = files.systems.len().saturating_sub(1);
        let partitions = || observed.boot_partitions.iter();
        problems.extend(partitions().filter_map(space::read_only));
        problems.extend(partitions().filter_map(|partition| space::boot_partition(partition, specialisations)));
    }
    problems.extend(file_systems::hardware_not_imported(
        facts.disks.as_ref(),
        tree,
        hardware,
    ));
    if let Some(disks) = &facts.disks {
        problems.extend(boot::keymap(disks, decisions, context.target.is_some()));
        problems.extend(disk_problems(disks, boot, context, omitted));
    }
    if let Some(report) = &facts.facter {
        problems.extend(facter::other_machine(
            report,
            &observed.machine,
            tree.root,
            (!hardware.imported).then_some(&hardware.path),
        ));
    }
    // Calamares exports the pools that it made (3.3, src/modules/umount).
    if let (Some(zfs), Some(target)) = (&facts.zfs, context.target)
        && !decisions.partitions_graphically
    {
        problems.extend(zfs::not_exported(zfs, target, observed));
    }
    if let Some(wanted) = &facts.platform {
        problems.extend(platform::platform(wanted, context.platform));
    }
    problems.extend(first_start::first_start(facts, decisions));
    problems.extend(rules::warnings(facts));
    problems
}

/// The files that the configuration names and does not have, where it evaluates to them.
fn files<'a>(
    facts: &'a Facts,
    tree: &'a Path,
    present: &'a BTreeSet<String>,
    delivery: &'a Delivery,
) -> Option<Files<'a>> {
    let systems = facts.disks.as_ref().map(|disks| disks.file_systems.as_slice());
    Some(Files {
        secrets: facts.secrets.as_ref()?,
        systems: systems.unwrap_or_default(),
        tree,
        present,
        delivery,
    })
}

/// What is wrong with these files.
fn file_problems(files: &Files<'_>, facts: &Facts, boot: Option<&Boot>, decisions: &Decisions) -> Vec<Diagnostic> {
    let users = facts.users.as_ref();
    let nobody = users.is_some_and(|users| users::nobody(users, decisions, files.tree, Some(files)));
    let mut problems = keys::problems(files, users, nobody, boot);
    problems.extend(boot.into_iter().flat_map(|boot| signing::keys(files, boot)));
    problems
}

/// What is known without the machine, while an ISO is made from the configuration at `tree`: what it has to have before it is
/// installed, and whether it will have its file systems.
pub fn before_machine(facts: &Facts, tree: &Path, hardware: &Hardware) -> Vec<Diagnostic> {
    let present = BTreeSet::new();
    let files = files(facts, tree, &present, &Delivery::Iso);
    let problems = files.map(|files| file_problems(&files, facts, facts.boot.as_ref(), &Decisions::default()));
    let disks = facts.disks.as_ref();
    let not_imported = file_systems::hardware_not_imported(disks, &Tree::of_iso(tree, &hardware.path), hardware);
    let is_machine = facts.boot.as_ref().is_none_or(|boot| !boot.container);
    let no_root = disks
        .filter(|_| is_machine)
        .and_then(|disks| file_systems::no_root(disks, hardware));
    problems
        .into_iter()
        .flatten()
        .chain(not_imported)
        .chain(no_root)
        .collect()
}

/// Whether the system will find its file systems, its EFI system partition among them.
fn disk_problems(
    disks: &Disks,
    boot: Option<&Boot>,
    context: &Context<'_>,
    omitted: &[Vec<String>],
) -> Vec<Diagnostic> {
    let Context {
        decisions,
        tree,
        observed,
        ..
    } = context;
    if let Some(problem) = file_systems::no_root(disks, context.hardware) {
        // The others are missing for the same reason.
        return vec![problem];
    }
    let esp = boot.and_then(|boot| boot::needed_esp(boot, decisions));
    let Some(target) = context.target else {
        if tree.made_by_layout {
            let lacking = esp.filter(|esp| boot::esp(esp, disks, observed, None).is_some());
            let problem = lacking.map(|esp| DiskoProblem::NoEsp { esp: esp.to_owned() }.into());
            return problem.into_iter().collect();
        }
        let graphical = decisions.partitions_graphically;
        let fixed = file_systems::before_partitioning(disks, esp, graphical, tree);
        return layout_disks::missing(disks, observed)
            .into_iter()
            .chain(fixed)
            .collect();
    };
    let no_esp = esp.and_then(|esp| boot::esp(esp, disks, observed, context.older_hardware));
    let types = boot.zip(esp);
    let types = types.map(|(boot, esp)| esp_type::partition_types(boot, esp, observed));
    let others = file_systems::at_target(disks, esp, tree, (target, observed), omitted);
    let missing_swap = file_systems::missing_swap(disks, observed);
    let no_esp = no_esp.into_iter().chain(types.into_iter().flatten());
    no_esp.chain(others).chain(missing_swap).collect()
}

/// Says which values could not be checked, because the configuration throws an error for them.
pub fn unknown(facts: &Facts) -> impl Iterator<Item = Diagnostic> {
    let values = [
        (facts.users.is_none(), "who can log in"),
        (facts.boot.is_none(), "the boot loader"),
        (facts.disks.is_none(), "the file systems"),
        (facts.secrets.is_none(), "the keys of secrets"),
        (facts.platform.is_none(), "what platform the configuration is for"),
    ];
    let unknown = values.into_iter().filter(|(is_unknown, _)| *is_unknown);
    unknown.map(|(_, what)| not_checked(what, "The configuration gives no value for it."))
}
