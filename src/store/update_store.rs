//! The store of the live system that a running machine is updated from, registered as the start of an ISO does it.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use anyhow::{Context, Result};

use super::database::{self, Record};
use super::live_image::MOUNT_POINT;
use crate::diagnostic::UpdateProblem;
use crate::files::names;
use crate::live::earlier_receipt::Receipt;
use crate::live::running_machine::RunningMachine;
use crate::live::update_medium::LiveSystemOfIso;
use crate::process::{Invocation, Runner};
use crate::store_path::STORE;

/// Registers the store of the live system, which was entered, for a machine that is `host`. Returns store paths of the machine whose
/// closures have what the medium does not bring.
///
/// # Errors
/// [`UpdateProblem::Behind`] where neither the medium nor the machine has something; when a store cannot be asked.
pub fn register(
    runner: &Runner,
    live: &LiveSystemOfIso,
    machine: &RunningMachine,
    (receipt, host): (&Receipt, Option<&str>),
) -> Result<Vec<String>> {
    let registration = live.registration(host)?;
    let load = |records: Vec<u8>| {
        let load = Invocation::new("nix-store").arg("--load-db").stdin(records);
        runner.output(&load).map(drop)
    };
    if !live.is_delta {
        load(registration)?;
        return Ok(Vec::new());
    }
    let text = std::str::from_utf8(&registration).context("The registration is not UTF-8")?;
    let records = database::parse_registration(text)?;
    let held: HashSet<String> = names(Path::new(MOUNT_POINT))
        .into_iter()
        .map(|name| format!("{STORE}/{name}"))
        .collect();
    let paths = records.iter().map(|record| record.path.as_str());
    let (held, others): (Vec<&str>, Vec<&str>) = paths.partition(|path| held.contains(*path));
    let own = on_machine(runner, machine, receipt, &others)?;
    load(registration.clone())?;
    // What was built on the machine may have another hash, and refer to something else.
    let is_held: HashSet<&str> = held.iter().copied().collect();
    let own: Vec<Record> = own
        .into_iter()
        .filter(|record| !is_held.contains(record.path.as_str()))
        .collect();
    load(database::print(&own).into_bytes())?;
    Ok(topmost(&own))
}

/// The machine's records of `paths` and of all that they refer to.
fn on_machine(runner: &Runner, machine: &RunningMachine, receipt: &Receipt, paths: &[&str]) -> Result<Vec<Record>> {
    let mut own = Vec::new();
    machine.run(&mut || {
        let gone = database::invalid(runner, None, paths)?;
        if !gone.is_empty() {
            let had = receipt.paths.as_ref().is_some_and(|had| !had.is_disjoint(&gone));
            let since = had.then(|| receipt.finished.clone());
            return Err(UpdateProblem::Behind {
                paths: gone.into_iter().collect(),
                since,
            }
            .into());
        }
        own = database::of_closure(runner, paths)?;
        Ok(())
    })?;
    Ok(own)
}

/// The paths of `records` that no other one refers to.
fn topmost(records: &[Record]) -> Vec<String> {
    let referred: BTreeSet<&str> = records
        .iter()
        .flat_map(|record| record.references.iter().filter(|path| **path != record.path))
        .map(String::as_str)
        .collect();
    let paths = records.iter().map(|record| &record.path);
    paths
        .filter(|path| !referred.contains(path.as_str()))
        .cloned()
        .collect()
}
