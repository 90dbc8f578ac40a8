//! The layout for disko: whether it can be made on this machine, and the script that makes it.

mod disk_contents;
mod offered_disks;
mod planned_disks;
mod seen_disks;
mod layout_problems;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::checks::coverage;
use super::checks::file_systems::Tree;
use super::collector::Found;
use super::request::{DiskoRequest, LiveSystem, Request};
use super::{completed, own_source, resolve};
use crate::diagnostic::{Diagnostic, DiskProblem};
use crate::live::block_devices::number;
use crate::live::installer_facts::InstallerFacts;
use crate::nix::disko;
use crate::nix::eval::{Configuration, Evaluated};
use crate::nix::facts::Facts;
use crate::store::cached::Server;
use crate::tree::hardware::Hardware;
pub use offered_disks::{OfferedDisk, offered};
use planned_disks::PlannedDisk;
pub use planned_disks::{DiskoPlan, Fate};
use seen_disks::Seen;

/// What is put into the tree, and is to be put on the disk.
pub(super) struct Put<'a> {
    pub tree: Tree<'a>,
    pub disko: Option<DiskoPlan>,
    /// What configuration.nix says of the machine, where it has the part for it.
    pub machine: Option<InstallerFacts>,
}

/// Puts this machine's hardware configuration into the tree, and evaluates the layout for disko where it is to be made. With a
/// layout that sets no file systems, others stand in for those to come.
pub(super) fn put_hardware<'a>(
    (request, live): (&Request, &LiveSystem<'_>),
    machine: &mut InstallerFacts,
    ((configuration, root), hardware, broken): ((&Configuration, &'a Path), &Hardware, &[PathBuf]),
    found: &mut Found<'_>,
) -> Result<Option<Put<'a>>> {
    let put = |machine: &InstallerFacts, found: &mut Found<'_>| {
        resolve::put_hardware((request, live), machine, root, hardware, found)
    };
    let (mut beside, inside) = completed::put_machine(request, machine, (root, configuration.kind))?;
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
    let placed = |tree, disko| Put {
        tree,
        disko,
        machine: inside,
    };
    if layout.as_ref().is_none_or(|layout| layout.sets_file_systems) {
        return Ok(Some(placed(tree, layout)));
    }
    machine.layout_sets_file_systems = false;
    beside.layout_sets_file_systems = false;
    Ok(put(&beside, found)?.map(|tree| placed(tree, layout)))
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
    let seen = Seen::look(live.runner, &layout, wanted.mode, target);
    found.extend(layout_problems::problems(
        &layout,
        (wanted.mode, wanted.by_answers),
        &seen,
        target,
    ));
    let Some(Evaluated { drv, out }) = layout.script else {
        return Ok(None);
    };
    if !request.online {
        let (graph, _) = own_source::graph(live.runner, &drv, None)?;
        let invalid = graph.invalid_outputs(live.runner)?;
        let work = match live.cache {
            Some(cache) => {
                let look = |server: &Server<'_>| server.work(live.runner, &graph, &invalid);
                cache.look((live.runner, live.report), look)?.0
            }
            None => graph.work(&invalid),
        };
        found.extend(coverage::missing(&work.missing, &configuration.root));
    }
    Ok(Some(DiskoPlan {
        mode: wanted.mode,
        derivation: drv,
        program: wanted.mode.program(&out),
        disks: layout
            .disks
            .into_iter()
            .map(|disk| PlannedDisk::new(live.runner, disk, wanted.mode))
            .collect(),
        asking: layout.asking.into_iter().map(|volume| volume.name).collect(),
        sets_file_systems: layout.sets_file_systems,
        outside: layout.outside,
        pools: layout.names.pools,
    }))
}

/// The problem of disks that were chosen and that the system does not get.
pub(super) fn not_taken(wanted: &DiskoRequest, facts: &Facts, hardware: &Path) -> Option<Diagnostic> {
    let layout = facts.disks.as_ref().map_or(&[][..], |disks| &disks.layout);
    let same = |one: &str, other: &str| one == other || number(one).is_some_and(|one| number(other) == Some(one));
    let is_taken = |(name, device): &(&String, &String)| {
        let mut disks = layout.iter().filter(|disk| disk.name == **name);
        disks.any(|disk| same(&disk.device, device))
    };
    let others = wanted.disks.iter().filter(|disk| !is_taken(disk));
    let names: Vec<String> = others.map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        return None;
    }
    let hardware = hardware.to_owned();
    let grub = facts.boot.as_ref().map_or(&[][..], |boot| &boot.grub_devices);
    let is_chosen = |device: &String| wanted.disks.values().any(|chosen| same(chosen, device));
    let grub = grub
        .iter()
        .filter(|device| device.starts_with('/') && !is_chosen(device));
    let grub: Vec<String> = grub.cloned().collect();
    Some(if grub.is_empty() {
        DiskProblem::NotTaken { names, hardware }.into()
    } else {
        DiskProblem::GrubElsewhere { names, hardware, grub }.into()
    })
}
