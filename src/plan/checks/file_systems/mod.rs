//! Whether the installed system will find its file systems: those of the evaluated configuration, compared with what is
//! mounted at the target, or, before there is a target, with what the installer can make.

mod finding;
mod compare;
mod problems;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::diagnostic::{Diagnostic, Doubt, FileSystemProblem};
use crate::nix::facts::{Definition, Disks, Facts, FileSystem, contradict};
use crate::plan::observed::{Observed, device_path};
use crate::tree::hardware::Hardware;
use crate::tree::locate::in_tree;
pub use compare::on_a_disk;
use compare::{Match, compare, is_opened};
use finding::Finding;
pub use finding::Tree;

/// The problem of a system without a root file system. `hardware` is this machine's hardware configuration.
pub(super) fn no_root(disks: &Disks, hardware: &Hardware) -> Option<Diagnostic> {
    let (path, imported) = (hardware.path.clone(), hardware.imported);
    (!has_root(disks)).then(|| {
        FileSystemProblem::NoRoot {
            hardware: path,
            imported,
        }
        .into()
    })
}

/// The problem of a hardware configuration that no file of the tree names, or that seems to be another host's: unless the
/// configuration uses it all the same, or has the hardware from a report of nixos-facter, and file systems of its own. Without a
/// root file system there is an error that says more.
pub(super) fn hardware_not_imported(disks: Option<&Disks>, tree: &Tree<'_>, hardware: &Hardware) -> Option<Diagnostic> {
    let has_root = disks.is_some_and(has_root);
    let of_system = |disks: &Disks| {
        disks
            .file_systems
            .iter()
            .flat_map(|system| &system.set)
            .any(|one| tree.is_hardware(&one.file))
    };
    let of_rest = |disks: &Disks| disks.hardware_files.iter().any(|file| tree.is_hardware(file));
    let is_used = |disks: &Disks| of_system(disks) || of_rest(disks) || disks.facter && has_root;
    if disks.is_some_and(is_used) {
        return None;
    }
    if let Some(doubt) = &hardware.doubt {
        return Some(doubt.clone().into());
    }
    let path = hardware.path.clone();
    let has_no_root = disks.is_some() && !has_root;
    (!hardware.imported && !has_no_root).then(|| {
        FileSystemProblem::HardwareNotImported {
            hardware: path,
            has_root,
        }
        .into()
    })
}

fn has_root(disks: &Disks) -> bool {
    disks.file_systems.iter().any(|system| system.at == "/")
}

/// What both the hardware configuration and the user's own files set, to different values: the attribute paths, as they are in
/// the hardware configuration. Nix stops at the first of them.
pub fn contradictions(facts: &Facts, tree: &Tree<'_>) -> Vec<Vec<String>> {
    let Some(disks) = &facts.disks else { return Vec::new() };
    let twice = |set: &[Definition]| tree.own(set).is_some() && set.iter().any(|one| tree.is_hardware(&one.file));
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

/// File systems and encrypted volumes, by their names in the configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Incomplete {
    pub systems: Vec<String>,
    pub volumes: Vec<String>,
}

impl Incomplete {
    pub fn is_empty(&self) -> bool {
        self.systems.is_empty() && self.volumes.is_empty()
    }
}

/// Those of which the configuration sets only options, and the hardware configuration nothing.
pub fn incomplete(facts: &Facts) -> Incomplete {
    let Some(disks) = &facts.disks else {
        return Incomplete::default();
    };
    let systems = disks.file_systems.iter();
    let systems =
        systems.filter(|system| system.set.is_empty() && (system.device.is_empty() || system.kind.is_empty()));
    let volumes = disks.luks.iter();
    let volumes = volumes.filter(|volume| volume.set.is_empty() && volume.device.is_empty());
    Incomplete {
        systems: systems.map(|system| system.name.clone()).collect(),
        volumes: volumes.map(|volume| volume.name.clone()).collect(),
    }
}

/// The problems of what is [`incomplete`]: before the disk is partitioned, a file system can still be made.
pub fn completed(facts: &Facts, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let Incomplete {
        systems: names,
        volumes,
    } = incomplete(facts);
    let mut problems = Vec::new();
    if let Some(first) = names.first() {
        let all = facts.disks.iter().flat_map(|disks| &disks.file_systems);
        let file = all
            .filter(|system| system.name == *first)
            .flat_map(|system| &system.files)
            .next();
        let file = file.and_then(|file| in_tree(file, tree.root));
        let partitioned = tree.partitioned;
        let problem = FileSystemProblem::OnlyOptions { names, partitioned };
        problems.push(Diagnostic::from(problem).in_file(file));
    }
    let names = volumes;
    problems.extend((!names.is_empty()).then(|| FileSystemProblem::VolumeOnlyOptions { names }.into()));
    problems
}

/// The problem of file systems and encrypted volumes to which the user's own files give several values: disko's layout and
/// `fileSystems`, for instance. Nix stops at the first of them.
pub fn own_contradictions(facts: &Facts, tree: &Tree<'_>) -> Option<Diagnostic> {
    let disks = facts.disks.as_ref()?;
    let systems = disks.file_systems.iter().flat_map(|system| {
        let option = |name: &str| format!("fileSystems.\"{}\".{name}", system.name);
        [(option("device"), &system.set), (option("fsType"), &system.kind_set)]
    });
    let volumes = disks.luks.iter().map(|volume| {
        let option = format!("boot.initrd.luks.devices.\"{}\".device", volume.name);
        (option, &volume.set)
    });
    let contradicting: Vec<_> = systems.chain(volumes).filter(|(_, set)| contradict(set)).collect();
    (!contradicting.is_empty()).then(|| problems::contradiction(&contradicting, tree))
}

/// The findings by what they mean.
#[derive(Default)]
struct Findings<'a> {
    other: Vec<Finding<'a>>,
    /// The same, set by both the configuration and an older hardware configuration.
    set_twice: Vec<Finding<'a>>,
    unsure: Vec<(Finding<'a>, Doubt)>,
}

/// Whether the machine would not start, or start another system, without the file system. `esp` is where the EFI system
/// partition has to be.
fn is_vital(at: &str, esp: Option<&str>) -> bool {
    ["/", "/nix", "/nix/store"].contains(&at) || esp == Some(at)
}

/// Where every installation writes something that the machine needs later: accounts, the configuration, which user has which number.
const WRITTEN: [&str; 3] = ["/etc", "/var", "/var/lib"];

/// The problem before a disk is partitioned: nothing is mounted yet, and the configuration sets the file systems itself.
/// `graphical`: the graphical installer makes the partitions, with names of its own.
pub(super) fn before_partitioning(
    disks: &Disks,
    esp: Option<&str>,
    graphical: bool,
    tree: &Tree<'_>,
) -> Option<Diagnostic> {
    let is_fixed = |system: &&FileSystem| is_vital(&system.at, esp) && !tree.is_of_hardware(system);
    let fixed: Vec<&FileSystem> = disks.file_systems.iter().filter(is_fixed).collect();
    (!fixed.is_empty()).then(|| problems::fixed(&fixed, tree, graphical))
}

/// The problems of what is mounted at `target`. `omitted` is what was taken out of the hardware configuration because the
/// configuration sets it too.
pub(super) fn at_target(
    disks: &Disks,
    esp: Option<&str>,
    tree: &Tree<'_>,
    (target, observed): (&Path, &Observed),
    omitted: &[Vec<String>],
) -> Vec<Diagnostic> {
    if !observed.mounted.iter().any(|mounted| mounted.at == "/") {
        // A directory that was named with --not-mounted.
        return Vec::new();
    }
    let Findings {
        other,
        set_twice,
        unsure,
    } = compare_all(disks, esp, tree, observed, omitted);
    let starts_from_memory = starts_from_memory(disks, observed, &other);
    let (vital, optional): (Vec<_>, Vec<_>) = other
        .into_iter()
        .partition(|one| is_vital(one.at, esp) && !(one.at == "/" && starts_from_memory));
    let mut problems = Vec::new();
    problems.extend((!vital.is_empty()).then(|| problems::other(&vital, tree, target)));
    problems.extend((!optional.is_empty()).then(|| problems::other_optional(&optional, tree, target)));
    problems.extend((!set_twice.is_empty()).then(|| problems::set_twice(&set_twice, tree, target)));
    problems.extend((!unsure.is_empty()).then(|| problems::unsure(unsure, tree, target)));
    let not_opened = observed
        .mounted
        .iter()
        .find(|mounted| is_vital(&mounted.at, esp) && esp != Some(&mounted.at) && !is_opened(mounted, disks, observed));
    problems.extend(not_opened.map(|mounted| {
        let at = mounted.at.clone();
        FileSystemProblem::VolumeNotOpened { at }.into()
    }));
    problems
}

fn compare_all<'a>(
    disks: &'a Disks,
    esp: Option<&str>,
    tree: &Tree<'_>,
    observed: &'a Observed,
    omitted: &[Vec<String>],
) -> Findings<'a> {
    let mut findings = Findings::default();
    for system in &disks.file_systems {
        let of_hardware = tree.is_of_hardware(system);
        // Nix reports what contradicts itself.
        if of_hardware && tree.generated || contradict(&system.set) {
            continue;
        }
        let finding = Finding {
            at: &system.at,
            system: Some(system),
            mounted: observed.mounted.iter().find(|mounted| mounted.at == system.at),
        };
        match finding.mounted.map(|mounted| compare(system, mounted, disks, observed)) {
            Some(Match::Other) => findings.other.push(finding),
            Some(Match::Unsure(doubt)) => findings.unsure.push((finding, doubt)),
            Some(Match::Same) if !tree.generated && is_omitted(&system.name, omitted) => {
                findings.set_twice.push(finding);
            }
            None if is_lost(system, of_hardware, esp, observed) => findings.other.push(finding),
            Some(Match::Same) | None => {}
        }
    }
    // The check of the boot loader reports the EFI system partition.
    let forgotten = not_in_configuration(disks, observed, tree);
    findings.other.extend(forgotten.filter(|one| esp != Some(one.at)));
    findings
}

/// Whether the installed system starts from a root in memory and finds the store all the same, on a disk that is not among
/// `other`.
fn starts_from_memory(disks: &Disks, observed: &Observed, other: &[Finding<'_>]) -> bool {
    let configured = |at: &str| disks.file_systems.iter().find(|system| system.at == at);
    let is_found = |at: &&str| configured(at).is_some() && other.iter().all(|one| one.at != *at);
    let stores = ["/nix", "/nix/store"];
    configured("/").is_some_and(|root| root.kind == "tmpfs")
        && stores.iter().any(is_found)
        && other.iter().all(|one| !stores.contains(&one.at))
        && observed
            .mounted
            .iter()
            .any(|mounted| stores.contains(&mounted.at.as_str()))
}

fn is_omitted(name: &str, omitted: &[Vec<String>]) -> bool {
    omitted.iter().any(|path| *path == ["fileSystems", name])
}

/// Whether the installed system, where nothing is mounted now, mounts something over what will be written, or waits for what
/// does not exist.
fn is_lost(system: &FileSystem, of_hardware: bool, esp: Option<&str>, observed: &Observed) -> bool {
    if !on_a_disk(system) {
        return false;
    }
    let device = device_path(&system.device);
    let exists = observed.devices.contains_key(&device);
    if is_vital(&system.at, esp) {
        return !of_hardware || exists;
    }
    let is_covered = exists && WRITTEN.contains(&system.at.as_str());
    is_covered || !exists && waits_for(&device, &system.options)
}

/// Whether systemd waits for `device`, which does not exist, when the machine starts: a name that is made from what is on a
/// disk, without an option that makes it optional.
fn waits_for(device: &str, options: &[String]) -> bool {
    let is_optional = |option: &String| option == "nofail" || option == "noauto";
    device.starts_with("/dev/disk/") && !options.iter().any(is_optional)
}

/// The problem of swap devices that do not exist: systemd waits for each (`DefaultDeviceTimeoutSec`, systemd-system.conf(5)).
/// Where the system opens encrypted volumes, a swap device can be in one of them.
pub(super) fn missing_swap(disks: &Disks, observed: &Observed) -> Option<Diagnostic> {
    let is_missing = |device: &str, options: &[String]| {
        let path = device_path(device);
        waits_for(&path, options) && !observed.devices.contains_key(&path)
    };
    let missing = disks.swap.iter().filter(|swap| is_missing(&swap.device, &swap.options));
    let devices: Vec<String> = missing.map(|swap| swap.device.clone()).collect();
    let is_certain = disks.luks.is_empty() && !devices.is_empty();
    is_certain.then(|| FileSystemProblem::SwapMissing { devices }.into())
}

/// The devices of `systems`, file systems and swap, that systemd waits for and that do not exist. What is mounted in the place
/// of one was compared with it before.
pub fn awaited_in_vain(systems: &[FileSystem], observed: &Observed) -> Vec<String> {
    let exists = |system: &FileSystem| {
        let is_mounted = observed.mounted.iter().any(|mounted| mounted.at == system.at);
        is_mounted || observed.devices.contains_key(&device_path(&system.device))
    };
    let awaited = systems
        .iter()
        .filter(|system| waits_for(&device_path(&system.device), &system.options));
    awaited
        .filter(|system| !exists(system))
        .map(|system| system.device.clone())
        .collect()
}

/// What is mounted at the target from a disk and the installed system will not mount.
fn not_in_configuration<'a>(
    disks: &Disks,
    observed: &'a Observed,
    tree: &Tree<'_>,
) -> impl Iterator<Item = Finding<'a>> {
    observed
        .mounted
        .iter()
        .filter(|mounted| {
            let of_disk = !mounted.devices.is_empty() || mounted.kind == "zfs";
            // nixos-generate-config omits them on purpose.
            let is_driver = mounted.kind.starts_with("fuse") && tree.generated;
            of_disk && !is_driver && !disks.file_systems.iter().any(|system| system.at == mounted.at)
        })
        .map(|mounted| Finding {
            at: &mounted.at,
            system: None,
            mounted: Some(mounted),
        })
}
