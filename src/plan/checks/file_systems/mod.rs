//! Whether the installed system will find its file systems: those of the evaluated configuration against what is mounted at
//! the target, or, before there is a target, against what the installer can make.

mod compare;
mod mounted;
mod problems;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::boot::needs_esp;
use crate::diagnostic::Diagnostic;
use crate::live::decisions::Decisions;
use crate::nix::facts::{Boot, Definition, Disks, Facts, FileSystem, contradict};
use crate::plan::hardware_files;
use crate::tree::locate::in_tree;
use compare::Match;
pub use mounted::Live;
use mounted::Mounted;

/// The tree whose configuration was evaluated.
pub struct Tree<'a> {
    /// The snapshot.
    pub root: &'a Path,
    /// This machine's hardware configuration in it, and the machine.nix beside it.
    pub hardware: Vec<PathBuf>,
    /// Whether nixos-generate-config wrote it for this run: then it has what is mounted.
    pub generated: bool,
}

impl<'a> Tree<'a> {
    /// The snapshot at `root`, whose hardware configuration is `hardware`.
    pub fn new(root: &'a Path, hardware: &Path, generated: bool) -> Self {
        Self {
            root,
            hardware: hardware_files::files(root, hardware).unwrap_or_else(|_| vec![hardware.to_owned()]),
            generated,
        }
    }

    fn is_hardware(&self, definition: &Definition) -> bool {
        in_tree(&definition.file, self.root).is_some_and(|file| self.hardware.contains(&file))
    }

    /// Whether the configuration uses the hardware configuration, or has the hardware from a report of nixos-facter and file
    /// systems of its own.
    pub fn is_used(&self, disks: &Disks) -> bool {
        let of_hardware = |system: &FileSystem| system.set.iter().any(|one| self.is_hardware(one));
        let has_root = disks.file_systems.iter().any(|system| system.at == "/");
        disks.file_systems.iter().any(of_hardware) || disks.facter && has_root
    }

    /// The definition among `set` that is the configuration's own.
    fn own<'b>(&self, set: &'b [Definition]) -> Option<&'b Definition> {
        set.iter().find(|definition| !self.is_hardware(definition))
    }
}

/// What the hardware configuration and the configuration itself both set, to different values: the attribute paths, as they
/// stand in the hardware configuration. Nix stops at the first of them.
pub fn contradictions(facts: &Facts, tree: &Tree<'_>) -> Vec<Vec<String>> {
    let Some(disks) = &facts.disks else { return Vec::new() };
    let twice = |set: &[Definition]| tree.own(set).is_some() && set.iter().any(|one| tree.is_hardware(one));
    let path = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect();
    let systems = disks
        .file_systems
        .iter()
        .filter(|system| twice(&system.set) && (contradict(&system.set) || contradict(&system.kind_set)))
        .map(|system| path(&["fileSystems", &system.name]));
    let volumes = disks
        .luks
        .iter()
        .filter(|volume| twice(&volume.set) && contradict(&volume.set))
        .map(|volume| path(&["boot", "initrd", "luks", "devices", &volume.name, "device"]));
    systems.chain(volumes).collect()
}

/// What one file system of the configuration is, in view of what is mounted.
struct Finding<'a> {
    /// Its mount point.
    at: &'a str,
    /// In the configuration; `None` where only the target has it.
    system: Option<&'a FileSystem>,
    /// At the target; `None` where nothing is mounted there.
    mounted: Option<&'a Mounted>,
    /// Why it is not known, where it is not.
    unsure: &'static str,
}

/// Without these the machine does not start, or starts another system. `esp` is where the EFI system partition has to be.
fn is_vital(at: &str, esp: Option<&str>) -> bool {
    ["/", "/nix", "/nix/store"].contains(&at) || esp == Some(at)
}

fn esp<'a>(boot: Option<&'a Boot>, decisions: &Decisions) -> Option<&'a str> {
    boot.filter(|boot| needs_esp(boot, decisions))
        .map(|boot| boot.esp.as_str())
}

/// The problems before a disk is partitioned: nothing is mounted yet, and the configuration says itself what will be.
/// `by_installer`: whether the graphical installer makes the partitions, which have names of their own.
#[must_use]
pub fn before(disks: &Disks, boot: Option<&Boot>, decisions: &Decisions, tree: &Tree<'_>) -> Option<Diagnostic> {
    let esp = esp(boot, decisions);
    let fixed = |system: &&FileSystem| {
        let by_hardware = !system.set.is_empty() && tree.own(&system.set).is_none();
        is_vital(&system.at, esp) && !by_hardware
    };
    let fixed: Vec<&FileSystem> = disks.file_systems.iter().filter(fixed).collect();
    (!fixed.is_empty()).then(|| problems::fixed(&fixed, tree, decisions.partitions_graphically))
}

/// The problems of what is mounted at `target`, as `live` has it. `left_out` is what was taken out of the hardware
/// configuration because the configuration sets it too.
#[must_use]
pub fn after(
    disks: &Disks,
    boot: Option<&Boot>,
    decisions: &Decisions,
    tree: &Tree<'_>,
    (target, live): (&Path, &Live),
    left_out: &[Vec<String>],
) -> Vec<Diagnostic> {
    let at = |at: &str| live.mounted.iter().find(|mounted| mounted.at == at);
    if at("/").is_none() {
        // A folder that was named with --not-mounted.
        return Vec::new();
    }
    let esp = esp(boot, decisions);
    let mut other: Vec<Finding<'_>> = Vec::new();
    let mut unsure: Vec<Finding<'_>> = Vec::new();
    let mut twice: Vec<Finding<'_>> = Vec::new();
    for system in &disks.file_systems {
        let by_hardware = !system.set.is_empty() && tree.own(&system.set).is_none();
        // What contradicts itself is told by Nix.
        if by_hardware && tree.generated || contradict(&system.set) {
            continue;
        }
        let mut finding = Finding {
            at: &system.at,
            system: Some(system),
            mounted: at(&system.at),
            unsure: "",
        };
        match finding.mounted {
            Some(mounted) => match compare::compare(system, &system.device, mounted, disks, live) {
                Match::Other => other.push(finding),
                Match::Unsure(why) => {
                    finding.unsure = why;
                    unsure.push(finding);
                }
                Match::Same if !tree.generated && is_left_out(&system.name, left_out) => twice.push(finding),
                Match::Same => {}
            },
            None if is_lost(system, by_hardware, esp, live) => other.push(finding),
            None => {}
        }
    }
    // Of the EFI system partition the check of the boot loader tells.
    other.extend(not_in_configuration(disks, live, tree).filter(|one| esp != Some(one.at)));
    let starts_from_memory = in_memory(disks, live, &other);
    let (vital, harmless): (Vec<_>, Vec<_>) = other
        .into_iter()
        .partition(|one| is_vital(one.at, esp) && !(one.at == "/" && starts_from_memory));
    let mut problems = Vec::new();
    problems.extend((!vital.is_empty()).then(|| problems::other(&vital, tree, target)));
    problems.extend((!harmless.is_empty()).then(|| problems::other_harmless(&harmless, tree, target)));
    problems.extend((!twice.is_empty()).then(|| problems::twice(&twice, tree, target)));
    problems.extend((!unsure.is_empty()).then(|| problems::unsure(&unsure, tree, target)));
    let locked = live.mounted.iter().find(|mounted| {
        is_vital(&mounted.at, esp) && esp != Some(&mounted.at) && !compare::is_opened(mounted, disks, live)
    });
    problems.extend(locked.map(problems::locked));
    problems
}

/// Whether the installed system starts from a root in memory and finds the store all the same, on a disk that is not among
/// `other`.
fn in_memory(disks: &Disks, live: &Live, other: &[Finding<'_>]) -> bool {
    let has = |at: &str| disks.file_systems.iter().find(|system| system.at == at);
    let is_found = |at: &&str| has(at).is_some() && other.iter().all(|one| one.at != *at);
    let stores = ["/nix", "/nix/store"];
    has("/").is_some_and(|root| root.kind == "tmpfs")
        && stores.iter().any(is_found)
        && other.iter().all(|one| !stores.contains(&one.at))
        && live.mounted.iter().any(|mounted| stores.contains(&mounted.at.as_str()))
}

fn is_left_out(name: &str, left_out: &[Vec<String>]) -> bool {
    left_out
        .iter()
        .any(|path| path.len() == 2 && path[0] == "fileSystems" && path[1] == name)
}

/// Whether the installed system mounts something over what is written now, because nothing is mounted there yet, or waits
/// for what is not there.
fn is_lost(system: &FileSystem, by_hardware: bool, esp: Option<&str>, live: &Live) -> bool {
    if !compare::on_a_disk(system) {
        return false;
    }
    let device = compare::path(&system.device);
    let is_there = (live.number)(&device).is_some();
    if is_vital(&system.at, esp) {
        return !by_hardware || is_there;
    }
    let waits = !system
        .options
        .iter()
        .any(|option| option == "nofail" || option == "noauto");
    waits && !is_there && device.starts_with("/dev/disk/")
}

/// What is mounted at the target from a disk and the installed system will not mount.
fn not_in_configuration<'a>(disks: &'a Disks, live: &'a Live, tree: &'a Tree<'_>) -> impl Iterator<Item = Finding<'a>> {
    let known = move |mounted: &&Mounted| {
        // What nixos-generate-config leaves out it leaves out knowingly.
        let driver = mounted.kind.starts_with("fuse") && tree.generated;
        !driver && !disks.file_systems.iter().any(|system| system.at == mounted.at)
    };
    let of_disk = |mounted: &&Mounted| !mounted.devices.is_empty() || mounted.kind == "zfs";
    live.mounted
        .iter()
        .filter(known)
        .filter(of_disk)
        .map(|mounted| Finding {
            at: &mounted.at,
            system: None,
            mounted: Some(mounted),
            unsure: "",
        })
}
