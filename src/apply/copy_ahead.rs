//! Copies while the system is built. What it will refer to is known only then, but a system of the same name, which the ISO was made
//! with, is in the live system's store: what that one refers to and this one is built from is, but for some text, in this one too.
//! Nothing is registered here, and the step that copies removes what is not needed.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};

use super::build;
use super::copy::{Stores, Wanted};
use super::disk::Disk;
use super::installation::Installation;
use crate::interrupt::Interrupted;
use crate::live::target::Target;
use crate::plan::Plan;
use crate::process::Runner;
use crate::store::database::{self, Record};
use crate::store::reading::Name;
use crate::store_path::{STORE, store_name};

/// Builds the system, and copies until that is done. What was copied, or read of the plan's sources, and found right is added to
/// [`Installation::ahead`]. What fails in copying fails again in the step that copies, and is reported there.
pub(super) fn build(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    if plan.build.is_empty() {
        return build::step(plan, target, installation);
    }
    let is_built = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            if let Err(error) = copy(plan, target, installation, &is_built) {
                log::info!("During the build it was copied until: {error:#}");
            }
        });
        let result = build::step(plan, target, installation);
        is_built.store(true, Ordering::Relaxed);
        result
    })
}

fn copy(plan: &Plan, target: &Target, installation: &Installation<'_>, is_built: &AtomicBool) -> Result<()> {
    let live = installation.live;
    let stores = Stores {
        runner: live.runner,
        target,
        image: live.image.as_ref(),
    };
    let records = expected(live.runner, plan)?;
    let mut wanted = Wanted::of(&stores, &records)?;
    let sources = wanted.sources(live.runner, &plan.sources)?;
    wanted.add_sources(&sources);
    wanted.require_room(&stores, |_| true)?;
    let disk = Disk::of(target)?;
    let on_bytes = |bytes| {
        if is_built.load(Ordering::Relaxed) {
            return Err(Interrupted.into());
        }
        disk.takes(bytes)
    };
    // The progress bar shows the build.
    let items = (&*wanted.in_order(), (0, 0), &store_name as &Name<'_>);
    wanted.transfer(&stores, None, items, &on_bytes, &|path, is_written| {
        let mut ahead = installation.ahead();
        let done = if is_written { &mut ahead.copied } else { &mut ahead.read };
        done.insert(path.to_owned());
    })
}

/// The records of what will be in the system's closure, and of what is copied besides it.
fn expected(runner: &Runner, plan: &Plan) -> Result<Vec<Record>> {
    let extra: Vec<&str> = plan.extra.iter().filter_map(|path| path.to_str()).collect();
    let alike = alike(runner, plan)?;
    let kept = database::of_closure(
        runner,
        &alike
            .iter()
            .map(String::as_str)
            .chain(extra.iter().copied())
            .collect::<Vec<_>>(),
    )?;
    let kept: BTreeSet<String> = kept.into_iter().map(|record| record.path).collect();
    let used = plan.uses.iter().map(String::as_str).chain(extra);
    let mut records = database::of_closure(runner, &used.collect::<Vec<_>>())?;
    records.retain(|record| kept.contains(&record.path));
    Ok(records)
}

/// The systems in the live system's store that have the name of the planned one.
fn alike(runner: &Runner, plan: &Plan) -> Result<Vec<String>> {
    let name = store_name(&plan.system.to_string_lossy());
    let store = fs::read_dir(STORE).with_context(|| format!("Failed to list {STORE}"))?;
    let all = store.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let alike = all.filter(|one| one.split_once('-').is_some_and(|(_, own)| own == name));
    let mut alike: Vec<String> = alike.map(|one| format!("{STORE}/{one}")).collect();
    let invalid = database::invalid(runner, None, &alike.iter().map(String::as_str).collect::<Vec<_>>())?;
    alike.retain(|path| !invalid.contains(path));
    Ok(alike)
}
