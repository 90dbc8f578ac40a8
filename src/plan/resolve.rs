//! Which host is installed, which file is its hardware configuration, and this machine's own in its place.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::checks::file_systems::Tree;
use super::collector::Found;
use super::request::{LiveSystem, Request, Update};
use super::{flake_inputs, hardware_files};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::live::installer_facts::InstallerFacts;
use crate::nix::eval;
use crate::tree::hardware::{self, Hardware};
use crate::tree::hardware_additions;
use crate::tree::source::{ConfigKind, Source};

/// Which host, as far as that is known or needed, and which file is its hardware configuration.
pub(super) fn choose_hardware(
    request: &Request,
    live: &LiveSystem<'_>,
    source: &Source,
    root: &Path,
) -> Result<(Option<String>, Hardware)> {
    let (kind, named) = (source.kind, request.hardware_config.as_deref());
    if let (ConfigKind::Channel, Some(host), None) = (kind, &request.host, &source.host) {
        live.report.note(&format!(
            "The host {host} is ignored: a channel configuration has no hosts."
        ));
    }
    let host = request.host.clone().filter(|_| kind == ConfigKind::Flake);
    let chosen = hardware::choose(root, kind, host.as_deref(), named);
    if kind == ConfigKind::Channel || chosen.is_ok() {
        return Ok((host, chosen?));
    }
    // Several would do. The host decides, and only Nix knows which there are.
    let hosts = match eval::hosts(live.runner, root) {
        Ok(hosts) => hosts,
        Err(error) => {
            let problem = error.downcast::<Diagnostic>()?;
            return Err(Diagnostics(flake_inputs::explain(live.runner, root, problem)?).into());
        }
    };
    let (host, _) = choose_host(request, &hosts)?;
    let chosen = hardware::choose(root, kind, Some(&host), named)?;
    Ok((Some(host), chosen))
}

/// The host, and why it is that one.
pub(super) fn choose_host(request: &Request, hosts: &[String]) -> Result<(String, String)> {
    let named = (request.host.as_deref(), request.host_of_iso.as_deref());
    let (host, reason) = eval::choose_host(hosts, named, Some(&eval::machine_name()))?;
    let is_of_receipt = |update: &Update| !update.host_is_named && update.receipt.host.as_ref() == Some(&host);
    let reason = if request.update.as_ref().is_some_and(is_of_receipt) {
        "the receipt of this machine's installation names it".to_owned()
    } else {
        reason
    };
    Ok((host, reason))
}

/// Puts this machine's hardware configuration into the tree, and names what a person added to the one that was there. `None`
/// when it cannot be put.
pub(super) fn put_hardware<'a>(
    (request, live): (&Request, &LiveSystem<'_>),
    machine: &InstallerFacts,
    root: &'a Path,
    hardware: &Hardware,
    found: &mut Found<'_>,
) -> Result<Option<Tree<'a>>> {
    live.report.note(&format!(
        "Hardware configuration: {}, because {}.",
        hardware.path.display(),
        hardware.reason
    ));
    let text = || fs::read_to_string(root.join(&hardware.path)).ok();
    let before = text();
    let Some(generated) = found.keep(hardware_files::put((request, live), machine, root, &hardware.path))? else {
        return Ok(None);
    };
    if let Some(before) = before {
        found.extend(hardware_additions::lost(
            root,
            &hardware.path,
            &before,
            text().as_deref(),
        ));
    }
    Ok(Some(Tree {
        partitioned: !machine.before_partitioning,
        made_by_layout: machine.layout_sets_file_systems,
        ..Tree::new(root, &hardware.path, generated)
    }))
}
