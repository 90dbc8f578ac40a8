//! Whether the system names files of the flake that it is made from by their paths in the store.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use memchr::memmem::Finder;

use crate::process::Runner;
use crate::store::contents::Mounted;
use crate::store::database;
use crate::store::graph::Graph;
use crate::store::nar::Archive;
use crate::store_path::of_nar_hash;

/// Reads the graph of the derivation `drv`. Returns with it the store path of the flake at `flake`, if a derivation has it in a
/// text without depending on it, as `toString ./file` makes it: what is built then names a path that is not in its closure.
///
/// # Errors
/// When a .drv file or the flake cannot be read, or the store cannot be queried.
pub(super) fn graph(runner: &Runner, drv: &Path, flake: Option<&Path>) -> Result<(Graph, Option<PathBuf>)> {
    let drv = drv.to_str().context("A derivation has a name that is not UTF-8")?;
    let own = flake.map(|root| in_store(runner, root)).transpose()?;
    let own = own.as_deref().unwrap_or_default();
    let finder = Finder::new(own);
    let mut naming = HashSet::new();
    let graph = Graph::read_with(&[drv], |path| {
        let bytes = fs::read(path).with_context(|| format!("Failed to read {path}"))?;
        if !own.is_empty() && finder.find(&bytes).is_some() {
            naming.insert(path.to_owned());
        }
        Ok(bytes)
    })?;
    let names_it = graph
        .nodes()
        .iter()
        .any(|node| naming.contains(&*node.path) && !node.sources.iter().any(|source| **source == *own));
    let is_valid = names_it && database::invalid(runner, None, &[own])?.is_empty();
    Ok((graph, is_valid.then(|| PathBuf::from(own))))
}

/// Where Nix has put the flake at `root`, to evaluate it.
fn in_store(runner: &Runner, root: &Path) -> Result<String> {
    let hash = Archive::new(&|_| runner.interrupt().check())
        .hash(&mut Mounted::default(), &root.to_owned(), u64::MAX, None)
        .with_context(|| format!("Failed to read {}", root.display()))?;
    of_nar_hash(&hash, "source").context("A hash is not SHA-256")
}
