//! What the system needs of the ISO, or of a binary cache: what is missing, what is built, how much is copied.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::checks::{coverage, platform, space};
use super::collector::Found;
use super::evaluate::Outcome;
use super::fetched::{self, Fetched};
use super::observed::{DiskSpace, free_memory};
use super::request::{LiveSystem, Request};
use super::{flake_inputs, for_update, own_source};
use crate::diagnostic::{CacheProblem, PlanProblem};
use crate::nix::eval::Evaluated;
use crate::store::closure::Work;
use crate::store::database::{self, Record};
use crate::store::reading;
use crate::store_path::store_name;
use crate::text::bytes;
use crate::tree::extra_files::ExtraFiles;
use crate::tree::source::ConfigKind;

/// What is read from the ISO's store.
pub(super) struct Needs {
    pub work: Work,
    /// Store paths that are copied besides the system's closure.
    pub extra: Vec<PathBuf>,
    /// The flake itself, where it is one of them.
    pub kept_source: Option<PathBuf>,
    /// The sources that the configuration is evaluated from, by their store paths: what each is called.
    pub sources: BTreeMap<String, String>,
    /// The bytes to copy, at most: what is used to build need not stay in the system.
    pub copied: u64,
    /// The bytes of the sources that are read and verified, and not copied.
    pub verified: u64,
    /// What a cache brings.
    pub fetched: Fetched,
}

impl Needs {
    /// What is used directly of the live system's store.
    pub fn uses(&self) -> Vec<String> {
        let uses = self.work.uses.iter();
        uses.filter(|path| !self.fetched.has(Path::new(path)))
            .cloned()
            .collect()
    }
}

/// Finds what `evaluated` needs, and reports what is missing, and what this machine has no room for. `largest_disk`: the bytes that there
/// are at most for a system whose disk is not partitioned. `brought`: the extra files.
pub(super) fn needs(
    (request, live): (&Request, &LiveSystem<'_>),
    (root, kind, hardware): (&Path, ConfigKind, &Path),
    (evaluated, outcome): (&Evaluated, &Outcome),
    (brought, largest_disk): (Option<&ExtraFiles>, Option<u64>),
    found: &mut Found<'_>,
) -> Result<Needs> {
    let flake = (kind == ConfigKind::Flake).then_some(root);
    let (graph, kept_source) = own_source::graph(live.runner, &evaluated.drv, flake)?;
    let extra = extra(request, live, kind, kept_source.clone());
    let (work, fetched) = fetched::work(live, &graph, &extra, found)?;
    let mut needs = Needs {
        work,
        extra: extra.into_iter().filter(|path| !fetched.has(path)).collect(),
        kept_source,
        sources: sources(live, kind, root)?,
        copied: 0,
        verified: 0,
        fetched,
    };
    if !needs.work.missing.is_empty() && !request.online {
        report_missing((request, live), (root, hardware), (&needs, outcome), found)?;
        return Ok(needs);
    }
    let rebuild = request.offline_rebuild.as_ref();
    if let Some(path) = rebuild.filter(|path| !path.exists() && !needs.fetched.has(path)) {
        found.add(PlanProblem::OfflineRebuildMissing { path: path.clone() }.into());
        return Ok(needs);
    }
    if let Some(source) = &needs.kept_source {
        live.report.note(&format!(
            "The system names files of the flake in the store: {} is copied as well.",
            source.display()
        ));
    }
    let records = measure(request, live, &mut needs)?;
    if outcome.omissions.is_empty() && needs.work.missing.is_empty() {
        look_for_room(
            (request, live),
            (root, brought, largest_disk),
            (&needs, &records),
            found,
        );
    }
    Ok(needs)
}

/// Reports what is nowhere, where that is not explained by something else.
fn report_missing(
    (request, live): (&Request, &LiveSystem<'_>),
    (root, hardware): (&Path, &Path),
    (needs, outcome): (&Needs, &Outcome),
    found: &mut Found<'_>,
) -> Result<()> {
    let wanted = outcome.facts.platform.as_deref();
    if wanted.is_some_and(|wanted| platform::platform(wanted, &platform::own()).is_some()) {
        return Ok(());
    }
    if let Some(cache) = live.cache {
        let url = cache.urls.join(", ");
        found.add(CacheProblem::Lacking { url }.into());
    } else if found.keep(undamaged(live, &needs.sources))?.is_none() {
        return Ok(());
    }
    let file = root.join(hardware);
    let text = fs::read_to_string(&file).with_context(|| format!("Failed to read {}", file.display()))?;
    found.extend(coverage::not_covered(&text, &request.not_covered));
    found.extend(coverage::missing(&needs.work.missing, root));
    Ok(())
}

/// Reports what this machine has no room for.
fn look_for_room(
    (request, live): (&Request, &LiveSystem<'_>),
    (root, brought, largest_disk): (&Path, Option<&ExtraFiles>, Option<u64>),
    (needs, records): (&Needs, &[Record]),
    found: &mut Found<'_>,
) {
    let target = (!request.machine.before_partitioning).then_some(&request.target);
    let copied = (records, needs.fetched.bytes());
    let disk = DiskSpace::measure(target, largest_disk, live.image.as_ref(), (root, brought), copied);
    let disk = found.probe("the room on the disk", disk).flatten();
    let is_exact = needs.work.build.is_empty();
    found.extend(disk.and_then(|disk| space::disk(&disk, is_exact)));
    if request.update.is_some() {
        let full = for_update::store_full(&request.target, live, records, is_exact);
        let full = found.probe("the room in the store", full).flatten();
        found.extend(full);
    }
    // With a cache it is built on the disk.
    if live.cache.is_none() {
        let memory = found.probe("the memory for building", free_memory());
        found.extend(memory.and_then(|free| space::memory(&needs.work, free)));
    }
}

/// Sums up what is copied and verified, and returns the records of what is copied.
fn measure(request: &Request, live: &LiveSystem<'_>, needs: &mut Needs) -> Result<Vec<Record>> {
    let size = |records: &[Record]| records.iter().map(|record| record.nar_size).sum::<u64>();
    let closure = |extra: &[PathBuf]| {
        let uses = needs.work.uses.iter().map(String::as_str);
        let all = uses.chain(extra.iter().filter_map(|path| path.to_str()));
        let here = all.filter(|path| !needs.fetched.has(Path::new(path)));
        database::of_closure(live.runner, &here.collect::<Vec<_>>())
    };
    let mut records = closure(&needs.extra)?;
    if let Some(update) = &request.update {
        records = update.lacking(&request.target, live.runner, records)?;
    }
    let copied = size(&records) + needs.fetched.bytes();
    if let Some((last, others)) = needs.extra.split_last()
        && request.offline_rebuild.as_ref() == Some(last)
    {
        let more = bytes(copied.saturating_sub(size(&closure(others)?) + needs.fetched.bytes()));
        live.report.note(&format!(
            "Of what is copied, {more} stay for rebuilding without a network."
        ));
    }
    let sources: Vec<&str> = needs.sources.keys().map(String::as_str).collect();
    let mut verified = database::of_closure(live.runner, &sources)?;
    let paths: HashSet<&str> = records.iter().map(|record| record.path.as_str()).collect();
    verified.retain(|source| !paths.contains(source.path.as_str()));
    (needs.copied, needs.verified) = (copied, size(&verified));
    Ok(records)
}

/// What is copied besides the system: nixos-install gives a channel configuration its channels, and finds them there when
/// they are copied with the rest; the flake of which the system names files; and what a rebuild without a network needs, last.
fn extra(request: &Request, live: &LiveSystem<'_>, kind: ConfigKind, kept_source: Option<PathBuf>) -> Vec<PathBuf> {
    let channels = (kind == ConfigKind::Channel)
        .then(|| live.channels.for_target())
        .flatten();
    let all = channels.into_iter().chain(kept_source);
    all.chain(request.offline_rebuild.clone()).collect()
}

fn sources(live: &LiveSystem<'_>, kind: ConfigKind, root: &Path) -> Result<BTreeMap<String, String>> {
    if kind == ConfigKind::Flake {
        let inputs = flake_inputs::inputs(live.runner, root)?;
        if !inputs.unused.is_empty() {
            live.report.note(&format!(
                "Flake inputs that are not on this medium, and that the system does not use: {}.",
                inputs.unused.join(", ")
            ));
        }
        return Ok(inputs.sources);
    }
    let sources = live.channels.sources();
    let named = sources.iter().map(|path| path.to_string_lossy().into_owned());
    Ok(named.map(|path| (path.clone(), store_name(&path))).collect())
}

/// A flipped bit in a source makes it another source: what is made from it has other names, and none of them is on the ISO.
fn undamaged(live: &LiveSystem<'_>, sources: &BTreeMap<String, String>) -> Result<()> {
    live.report
        .note("Not everything is on this ISO. Checking whether the ISO is damaged…");
    let sources: Vec<&str> = sources.keys().map(String::as_str).collect();
    reading::verify(live.runner, live.report, live.image.as_ref(), &sources)
}
