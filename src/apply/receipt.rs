//! What stays on the target: the receipt, and what a later rebuild without a network needs. The log is written there all
//! along.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;

use super::installation::Installation;
use crate::files::{remove, write_whole};
use crate::live::disk_mark::{IsoIdentity, Stage};
use crate::live::placement::Placement;
use crate::live::target::{Kept, Target};
use crate::live::this_machine::LIVE;
use crate::nix::identity::Identity;
use crate::plan::{Plan, as_placed};
use crate::store::database;
use crate::tree::fingerprint::Fingerprint;

/// The system that runs.
const LIVE_SYSTEM: &str = "/run/current-system";

#[derive(Serialize)]
struct Receipt<'a> {
    version: &'a str,
    finished: String,
    /// The toplevel of the live system: which ISO it was.
    live_system: Option<PathBuf>,
    /// The same with the configuration and the settings of the ISO.
    iso: Option<String>,
    /// The files of the configuration ([`as_placed`]).
    tree: Fingerprint,
    identity: Option<&'a Identity>,
    /// The store paths that the target keeps, for an image with only what it lacks.
    paths: BTreeSet<String>,
    #[serde(flatten)]
    plan: &'a Plan,
}

/// Writes what was installed, from where and when.
pub(super) fn step(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    if let Some(path) = &installation.request.offline_rebuild {
        keep(path, &target.collector_root("offline-rebuild"))?;
    }
    let source = target.collector_root("source");
    match &plan.kept_source {
        Some(path) => keep(path, &source)?,
        // An earlier installation may have kept another one.
        None => remove(&source)?,
    }
    let running = installation
        .request
        .update
        .as_ref()
        .and_then(|update| update.running.as_ref());
    let receipt = Receipt {
        version: env!("CARGO_PKG_VERSION"),
        finished: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        live_system: match running {
            Some(update) => Some(update.iso.clone()),
            None => fs::read_link(LIVE_SYSTEM).ok(),
        },
        iso: match running {
            Some(update) => IsoIdentity::of(Path::new(LIVE), &update.iso),
            None => IsoIdentity::read(Path::new(LIVE)),
        }
        .ok()
        .map(|iso| iso.guid(Stage::Installed)),
        tree: as_placed(plan.snapshot.path(), &plan.kept_by_hand)?,
        identity: plan.facts.identity.as_ref(),
        paths: kept_paths(plan, target, installation)?,
        plan,
    };
    write_whole(&target.receipt(), &serde_json::to_vec_pretty(&receipt)?)?;
    if let Some(mut placement) = Placement::load(target)?
        && placement.tree.take().is_some()
    {
        placement.save(target)?;
    }
    if plan.kept_at != Kept::default() {
        installation.live.report.note(&plan.kept_places());
    }
    // GRUB is partly outside of any file system, where no syncfs reaches: the machine may be switched off from now on.
    nix::unistd::sync();
    Ok(())
}

fn kept_paths(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<BTreeSet<String>> {
    // Only what comes from a cache is not in the live system's store as well.
    let store = plan.fetched.cache.as_ref().map(|_| target.root());
    database::requisites(installation.live.runner, store, &plan.roots())
}

/// Keeps the store path `path`, and all that it refers to, from the target's garbage collector, which follows `link`.
///
/// # Errors
/// When the target cannot be written.
pub(super) fn keep(path: &Path, link: &Path) -> Result<()> {
    let new = link.with_extension("new");
    let replace = || -> Result<()> {
        link.parent().map_or(Ok(()), fs::create_dir_all)?;
        // Left by a run that was cut off.
        remove(&new)?;
        symlink(path, &new)?;
        Ok(fs::rename(&new, link)?)
    };
    replace().with_context(|| format!("Failed to make {}", link.display()))
}
