//! The system from a binary cache into the target's store, by Nix' own substituter: what it brings is verified against the hash that
//! was signed, and is never in the memory of the live system.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use super::build::{can_be_of_cache, track};
use super::copy::{Stores, copy, has_hash};
use super::disk::{self, require_room};
use super::installation::{Ahead, Installation};
use crate::cache::Cache;
use crate::diagnostic::{CacheProblem, Diagnostic};
use crate::live::target::Target;
use crate::nix::activity::LOG_FORMAT;
use crate::plan::{Fetched, Plan};
use crate::process::{Invocation, Runner};
use crate::progress::{Reporter, Unit};
use crate::store::cached::{FRUITLESS, first_failed};
use crate::store::database::{self, Record};
use crate::store::nar::Archive;
use crate::store::reading::{PathReader, work};
use crate::store::room::{Grain, Room};
use crate::store_path::store_name;

/// Copies what the live system has, and fetches the rest.
pub(super) fn step(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let live = installation.live;
    let (runner, report) = (live.runner, live.report);
    let cache = plan.fetched.cache.as_ref().context("There is no cache")?;
    let paths: Vec<&str> = plan.fetched.paths.iter().map(|one| one.path.as_str()).collect();
    let missing = database::invalid(runner, Some(target.root()), &paths)?;
    let store = target.store();
    let bytes = Grain::of(&store)?.of_nars(plan.fetched.bytes_of(&missing));
    // How many files they have is not known.
    require_room(&store, Room { bytes, entries: 0 })?;
    let extra = plan.extra.iter().filter_map(|path| path.to_str());
    let here: Vec<&str> = plan.uses.iter().map(String::as_str).chain(extra).collect();
    let later = plan.fetched.bytes();
    let image = live.image.as_ref();
    let stores = Stores { runner, target, image };
    let before = copy(&stores, report, (&here, later), &plan.sources, &Ahead::default())?;
    let there: Vec<&str> = paths.into_iter().filter(|path| !missing.contains(*path)).collect();
    let mut fetch = Fetch {
        runner,
        report,
        target,
        cache,
        fetched: &plan.fetched,
        damaged: Vec::new(),
        total: before + later,
    };
    fetch.read_again(&there, before)?;
    fetch
        .all(missing)
        .and_then(|()| disk::sync(target))
        .map_err(|error| disk::explain(target, error))?;
    // Nix ends without having said so of its last bytes.
    report.progress(fetch.total, fetch.total, Unit::Bytes, "");
    Ok(())
}

struct Fetch<'a> {
    runner: &'a Runner,
    report: &'a Reporter,
    target: &'a Target,
    cache: &'a Cache,
    fetched: &'a Fetched,
    /// Paths that Nix takes as valid in the target's store and that have another hash.
    damaged: Vec<String>,
    /// Bytes of all that is copied, read again and fetched.
    total: u64,
}

impl Fetch<'_> {
    /// Reads what an earlier run fetched. Nix makes a path valid before its contents are on the disk: after a power cut its files can
    /// be empty.
    fn read_again(&mut self, paths: &[&str], before: u64) -> Result<()> {
        let records = database::of_paths(self.runner, Some(self.target.root()), paths)?;
        let records: Vec<&Record> = records.iter().collect();
        let damaged = Mutex::new(Vec::new());
        let read = |record: &Record, archive: &mut Archive<'_>, _: &mut PathReader<'_>| {
            if !has_hash(self.target, record, archive)? {
                let mut damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
                damaged.push(record.path.clone());
            }
            Ok(())
        };
        let items = (&*records, (before, self.total), &store_name as &_);
        work(
            Some(self.report),
            self.runner.interrupt(),
            None,
            items,
            &|_| Ok(()),
            &read,
        )?;
        self.damaged = damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(())
    }

    /// Fetches until all is there.
    fn all(&mut self, mut missing: BTreeSet<String>) -> Result<()> {
        let mut fruitless = 0;
        loop {
            let Err(error) = self.attempt(&missing) else {
                return Ok(());
            };
            if !can_be_of_cache(&error) {
                return Err(error);
            }
            let paths: Vec<&str> = missing.iter().map(String::as_str).collect();
            let left = database::invalid(self.runner, Some(self.target.root()), &paths)?;
            fruitless = if left.len() < missing.len() { 0 } else { fruitless + 1 };
            missing = left;
            if self.cache.came_back(self.runner, self.report)? {
                fruitless = 0;
            } else if fruitless == FRUITLESS {
                missing.extend(self.damaged.iter().cloned());
                let paths = first_failed(&self.fetched.paths, &missing);
                let raw = format!("{error:#}");
                return Err(Diagnostic::from(CacheProblem::NotFetched { paths }).raw(raw).into());
            }
        }
    }

    /// Fetches what is `missing`, and once more what is damaged. What arrives stays, whatever else fails.
    fn attempt(&mut self, missing: &BTreeSet<String>) -> Result<()> {
        let nix_store = || Invocation::new("nix-store").arg("--store").arg(self.target.root());
        while let Some(path) = self.damaged.last() {
            track(
                self.runner,
                &nix_store().args(LOG_FORMAT).args(["--repair-path", path]),
                &mut |_| {},
            )?;
            self.damaged.pop();
        }
        if missing.is_empty() {
            return Ok(());
        }
        let realise = nix_store().args(["--realise", "--keep-going"]).args(LOG_FORMAT);
        let realise = realise.args(self.fetched.roots.iter().cloned()).long();
        let done = self.total - self.fetched.bytes_of(missing);
        track(self.runner, &realise, &mut |tracker| {
            let done = (done + tracker.bytes()).min(self.total);
            self.report.progress(done, self.total, Unit::Bytes, tracker.item());
        })
        .map(drop)
    }
}
