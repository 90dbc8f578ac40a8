//! The layout for disko: whether it can be made on this machine, and the script that makes it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::checks::coverage;
use super::checks::file_systems::Tree;
use super::collector::Found;
use super::request::{DiskoRequest, LiveSystem, Request};
use super::{completed, own_source, resolve};
use crate::diagnostic::{Diagnostic, DiskoProblem};
use crate::live::installer_facts::InstallerFacts;
use crate::live::{disk_use, mounts};
use crate::nix::disko::{self, Layout, LayoutDisk, Mode};
use crate::nix::eval::{Configuration, Evaluated};
use crate::nix::facts::Disks;
use crate::process::{Invocation, Runner};
use crate::tree::hardware::Hardware;

/// A layout to be made.
#[derive(Debug, Serialize)]
pub struct DiskoPlan {
    pub mode: Mode,
    /// The derivation of the script, in the live system's store.
    pub derivation: PathBuf,
    /// Its program.
    pub program: PathBuf,
    pub disks: Vec<PlannedDisk>,
    /// The encrypted volumes whose passphrase the script asks for.
    pub asking: Vec<String>,
    /// Whether the layout sets the system's file systems as well.
    pub sets_file_systems: bool,
}

/// A disk that it is made on.
#[derive(Debug, Serialize)]
pub struct PlannedDisk {
    /// Its name in the layout.
    pub name: String,
    pub device: String,
    /// What is on it, a line a part, with its sizes and labels; empty where it has neither partitions nor file systems.
    pub holds: Vec<String>,
    /// Whether that is lost.
    pub erased: bool,
}

impl fmt::Display for PlannedDisk {
    /// A line that ends, and what is on the disk.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.erased { "To be erased" } else { "Used as it is" };
        writeln!(f, "{what}: {} (`{}` of the layout for disko)", self.device, self.name)?;
        self.holds.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// What the live system has of a layout.
#[derive(Default)]
struct Seen {
    /// The numbers of the block devices, by the paths that the layout has.
    disks: BTreeMap<String, String>,
    /// What is in use of each.
    uses: BTreeMap<String, Vec<String>>,
    /// The key files that are not there.
    no_keys: Vec<String>,
    target_mounted: bool,
}

/// Puts this machine's hardware configuration into the tree, and evaluates the layout for disko where it is to be made. With a
/// layout that sets no file systems, others stand in for those to come.
pub(super) fn put_hardware<'a>(
    (request, live): (&Request, &LiveSystem<'_>),
    machine: &mut InstallerFacts,
    ((configuration, root), hardware, broken): ((&Configuration, &'a Path), &Hardware, &[PathBuf]),
    found: &mut Found<'_>,
) -> Result<Option<(Tree<'a>, Option<DiskoPlan>)>> {
    let put = |machine: &InstallerFacts, found: &mut Found<'_>| {
        resolve::put_hardware((request, live), machine, root, hardware, found)
    };
    let mut beside = completed::put_machine(request, machine, (root, configuration.kind))?;
    let Some(tree) = put(&beside, found)? else {
        return Ok(None);
    };
    let wanted = request
        .disko
        .as_ref()
        .filter(|_| machine.before_partitioning && broken.is_empty());
    let layout = wanted
        .map(|wanted| find((request, wanted, live), configuration, found))
        .transpose()?
        .flatten();
    if layout.as_ref().is_none_or(|layout| layout.sets_file_systems) {
        return Ok(Some((tree, layout)));
    }
    machine.layout_sets_file_systems = false;
    beside.layout_sets_file_systems = false;
    Ok(put(&beside, found)?.map(|tree| (tree, layout)))
}

/// Evaluates the layout that was asked for. Nothing is asked of a configuration that cannot be evaluated: that is reported later.
fn find(
    (request, wanted, live): (&Request, &DiskoRequest, &LiveSystem<'_>),
    configuration: &Configuration,
    found: &mut Found<'_>,
) -> Result<Option<DiskoPlan>> {
    let target = request.target.root();
    let layout = match disko::layout(live.runner, configuration, (wanted.mode, &wanted.disks, target)) {
        Ok(Some(layout)) => layout,
        // That is reported with the toplevel.
        Ok(None) => return Ok(None),
        Err(error) => {
            found.add(error.downcast::<Diagnostic>()?);
            return Ok(None);
        }
    };
    let seen = look(&layout, target);
    found.extend(problems(&layout, wanted, &seen, target));
    let Some(Evaluated { drv, out }) = layout.script else {
        return Ok(None);
    };
    if !request.online {
        let (graph, _) = own_source::graph(live.runner, &drv, None)?;
        let work = graph.work(&graph.invalid_outputs(live.runner)?);
        found.extend(coverage::missing(&work.missing, &configuration.root));
    }
    Ok(Some(DiskoPlan {
        mode: wanted.mode,
        derivation: drv,
        program: wanted.mode.program(&out),
        disks: layout
            .disks
            .into_iter()
            .map(|disk| planned(live.runner, disk, wanted.mode))
            .collect(),
        asking: layout.asking,
        sets_file_systems: layout.sets_file_systems,
    }))
}

fn look(layout: &Layout, target: &Path) -> Seen {
    let all = mounts::below(Path::new("/"));
    let mut seen = Seen {
        target_mounted: mounts::at(target).is_some(),
        ..Seen::default()
    };
    for LayoutDisk { device, .. } in &layout.disks {
        if let Some(number) = disk_use::number(device) {
            seen.uses
                .insert(device.clone(), disk_use::uses(Path::new("/"), &number, &all));
            seen.disks.insert(device.clone(), number);
        }
    }
    let absent = |file: &&String| !fs::exists(file).unwrap_or(false);
    seen.no_keys = layout.key_files.iter().filter(absent).cloned().collect();
    seen
}

/// What keeps `layout` from being made.
fn problems(layout: &Layout, wanted: &DiskoRequest, seen: &Seen, target: &Path) -> Vec<Diagnostic> {
    if layout.disks.is_empty() {
        return vec![DiskoProblem::NoLayout.into()];
    }
    let known = || layout.disks.iter().map(|disk| disk.name.clone()).collect::<Vec<_>>();
    let mut problems = Vec::new();
    if layout.is_old {
        problems.push(DiskoProblem::OldDisko);
    }
    let unknown = layout.unknown.iter();
    problems.extend(unknown.map(|name| DiskoProblem::UnknownDisk {
        name: name.clone(),
        known: known(),
    }));
    let mut devices: BTreeMap<&str, Vec<&LayoutDisk>> = BTreeMap::new();
    for disk in &layout.disks {
        let LayoutDisk { name, device, .. } = disk;
        match seen.disks.get(device) {
            Some(number) => devices.entry(number).or_default().push(disk),
            None => problems.push(DiskoProblem::NoDisk {
                name: name.clone(),
                device: device.clone(),
            }),
        }
    }
    for same in devices.values() {
        let [first, rest @ ..] = same.as_slice() else { continue };
        let device = first.device.clone();
        if !rest.is_empty() {
            let names = same.iter().map(|disk| disk.name.clone()).collect();
            problems.push(DiskoProblem::SameDisk {
                names,
                device: device.clone(),
            });
        }
        let by = seen.uses.get(&device).cloned().unwrap_or_default();
        if wanted.mode != Mode::Mount && !by.is_empty() {
            problems.push(DiskoProblem::InUse { device, by });
        }
    }
    if seen.target_mounted {
        problems.push(DiskoProblem::TargetMounted {
            target: target.to_owned(),
        });
    }
    if !seen.no_keys.is_empty() {
        problems.push(DiskoProblem::KeyFiles {
            files: seen.no_keys.clone(),
        });
    }
    problems.into_iter().map(Diagnostic::from).collect()
}

/// The problem of disks that were chosen and that the system, which was evaluated to `disks`, does not get.
pub(super) fn not_taken(wanted: &DiskoRequest, disks: Option<&Disks>, hardware: &Path) -> Option<Diagnostic> {
    let layout = disks.map_or(&[][..], |disks| &disks.layout);
    let is_taken =
        |(name, device): &(&String, &String)| layout.iter().any(|disk| disk.name == **name && disk.device == **device);
    let others = wanted.disks.iter().filter(|disk| !is_taken(disk));
    let names: Vec<String> = others.map(|(name, _)| name.clone()).collect();
    (!names.is_empty()).then(|| {
        DiskoProblem::NotTaken {
            names,
            hardware: hardware.to_owned(),
        }
        .into()
    })
}

/// What `lsblk` says of a block device: util-linux 2.34 and later.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Device {
    path: String,
    size: Option<String>,
    model: Option<String>,
    fstype: Option<String>,
    label: Option<String>,
    children: Vec<Device>,
}

fn planned(runner: &Runner, disk: LayoutDisk, mode: Mode) -> PlannedDisk {
    let columns = ["--json", "--tree", "--output", "PATH,SIZE,MODEL,FSTYPE,LABEL"];
    let ask = Invocation::new("lsblk").args(columns).arg(&disk.device).quiet();
    // What cannot be listed is erased all the same; the plan names the device.
    let json = runner.output(&ask).unwrap_or_default();
    PlannedDisk {
        holds: listed(&json),
        erased: mode == Mode::Wipe && disk.erased,
        name: disk.name,
        device: disk.device,
    }
}

/// The lines about what `lsblk` lists, as JSON.
fn listed(json: &str) -> Vec<String> {
    #[derive(Default, Deserialize)]
    struct Listed {
        blockdevices: Vec<Device>,
    }
    let listed: Listed = serde_json::from_str(json).unwrap_or_default();
    listed.blockdevices.iter().flat_map(holds).collect()
}

/// The lines about a disk, unless it is empty.
fn holds(disk: &Device) -> Vec<String> {
    let mut lines = vec![line(disk)];
    let mut rest: Vec<&Device> = disk.children.iter().rev().collect();
    let is_empty = rest.is_empty() && disk.fstype.is_none();
    while let Some(device) = rest.pop() {
        lines.push(line(device));
        rest.extend(device.children.iter().rev());
    }
    if is_empty { Vec::new() } else { lines }
}

/// `/dev/sda2 (465.3G ntfs "Windows")`.
fn line(device: &Device) -> String {
    let label = device.label.as_ref().map(|label| format!("\"{label}\""));
    let model = device.model.as_ref().map(|model| model.trim().to_owned());
    let words = [device.size.clone(), model, device.fstype.clone(), label];
    let words: Vec<String> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
    format!("{} ({})", device.path, words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_shown_with_all_that_is_on_it() {
        // util-linux 2.41.
        let json = r#"{"blockdevices": [{"path": "/dev/sda", "size": "465.8G", "model": "Disk 1 ", "fstype": null, "label": null, "children": [
            {"path": "/dev/sda1", "size": "512M", "model": null, "fstype": "vfat", "label": null},
            {"path": "/dev/sda2", "size": "465.3G", "model": null, "fstype": "crypto_LUKS", "label": null, "children": [
                {"path": "/dev/mapper/home", "size": "465.2G", "model": null, "fstype": "ext4", "label": "my home"}]}]}]}"#;
        let expected = [
            "/dev/sda (465.8G Disk 1)",
            "/dev/sda1 (512M vfat)",
            "/dev/sda2 (465.3G crypto_LUKS)",
            "/dev/mapper/home (465.2G ext4 \"my home\")",
        ];
        assert_eq!(listed(json), expected);
        let empty =
            r#"{"blockdevices": [{"path": "/dev/sdb", "size": "1T", "model": "Disk", "fstype": null, "label": null}]}"#;
        assert_eq!(listed(empty), Vec::<String>::new());
        assert_eq!(listed("lsblk: unknown column"), Vec::<String>::new());
    }
}
