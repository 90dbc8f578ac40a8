//! What has to be done, and what a binary cache brings for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::collector::Found;
use super::request::LiveSystem;
use crate::cache::Cache;
use crate::store::cached::{CachedPath, Server};
use crate::store::closure::Work;
use crate::store::database;
use crate::store::graph::Graph;
use crate::text::bytes;

/// What a cache brings.
#[derive(Debug, Default, Serialize)]
pub struct Fetched {
    /// Absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Of what the system, or what is built, uses directly.
    #[serde(skip)]
    pub roots: BTreeSet<String>,
    /// With all that these refer to and that is not copied from the live system.
    #[serde(skip)]
    pub paths: Vec<CachedPath>,
}

impl Fetched {
    /// The bytes of their NARs.
    pub fn bytes(&self) -> u64 {
        self.paths.iter().map(|one| one.nar_size).sum()
    }

    /// The bytes of the NARs of those of them that are in `some`.
    pub fn bytes_of(&self, some: &BTreeSet<String>) -> u64 {
        let some = self.paths.iter().filter(|one| some.contains(&one.path));
        some.map(|one| one.nar_size).sum()
    }

    /// Whether `path` is one of the roots.
    pub(super) fn has(&self, path: &Path) -> bool {
        path.to_str().is_some_and(|path| self.roots.contains(path))
    }
}

/// What has to be done for the roots of `graph`, with what the live system has and a cache brings, where one is named; that brings those
/// of `extra` as well that the live system lacks.
pub(super) fn work(
    live: &LiveSystem<'_>,
    graph: &Graph,
    extra: &[PathBuf],
    found: &mut Found<'_>,
) -> Result<(Work, Fetched)> {
    let invalid = graph.invalid_outputs(live.runner)?;
    log::debug!(
        "{} derivations, {} outputs are not in the live system",
        graph.len(),
        invalid.len()
    );
    let Some(cache) = live.cache else {
        return Ok((graph.work(&invalid), Fetched::default()));
    };
    let of_cache = from_cache(cache, live, (graph, &invalid), extra, found);
    Ok(found.keep(of_cache)?.unwrap_or_default())
}

/// What has to be done where `cache` brings what the live system lacks, and what it brings. It has to be signed.
fn from_cache(
    cache: &Cache,
    live: &LiveSystem<'_>,
    of_graph: (&Graph, &BTreeSet<String>),
    extra: &[PathBuf],
    found: &mut Found<'_>,
) -> Result<(Work, Fetched)> {
    let look = |server: &Server<'_>| {
        let (work, roots, paths) = from_server(server, live, of_graph, extra)?;
        let named: Vec<&str> = roots.iter().map(String::as_str).collect();
        let untrusted = server.untrusted(live.runner, &named)?;
        let cache = Some(cache.clone());
        let fetched = Fetched { cache, roots, paths };
        Ok((work, fetched, untrusted, server.url.to_owned()))
    };
    let (work, fetched, untrusted, url) = cache.look((live.runner, live.report), look)?;
    found.extend(untrusted);
    let (paths, bytes) = (fetched.paths.len(), bytes(fetched.bytes()));
    live.report.note(&format!("From {url}: {paths} store paths, {bytes}."));
    Ok((work, fetched))
}

/// What has to be done with what `server` has, what it brings directly, and all that this refers to and that is not copied.
fn from_server(
    server: &Server<'_>,
    live: &LiveSystem<'_>,
    (graph, invalid): (&Graph, &BTreeSet<String>),
    extra: &[PathBuf],
) -> Result<(Work, BTreeSet<String>, Vec<CachedPath>)> {
    let runner = live.runner;
    let (work, mut roots) = server.work(runner, graph, invalid)?;
    let extra = extra.iter().filter_map(|path| path.to_str());
    let (own, absent): (Vec<&str>, Vec<&str>) = extra.partition(|path| Path::new(path).exists());
    roots.extend(server.having(runner, &absent)?);
    let named: Vec<&str> = roots.iter().map(String::as_str).collect();
    let mut paths = server.closure(runner, &named)?;
    let own = own.into_iter().chain(work.uses.iter().map(String::as_str));
    let own: Vec<&str> = own.filter(|path| !roots.contains(*path)).collect();
    let copied = database::requisites(runner, None, &own)?;
    paths.retain(|one| !copied.contains(&one.path));
    Ok((work, roots, paths))
}
