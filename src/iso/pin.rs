//! `nix-cfg-iso pin`: what an image must hold, as a file, for where import from derivation is forbidden.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::closure::Closure;
use super::emitted::emitted;
use super::image::Flake;
use crate::nix::command::Runner;

/// The name of the file.
pub const FILE: &str = "closure.json";

/// What there is before anything was read from .drv files.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Roots {
    drvs: BTreeMap<String, PathBuf>,
    generate_config: PathBuf,
}

const ROOTS: &str = "\
iso: let
  plain = builtins.unsafeDiscardStringContext;
in map (closure: {
  drvs = builtins.mapAttrs (_: plain) closure.drvs;
  generateConfig = plain closure.generateConfig;
}) iso.live.config.offlineInstaller.closures";

/// The text of the file: one closure for each installed system. nix/closure.nix refuses it when a .drv file is another.
///
/// # Errors
/// When Nix cannot evaluate the image, or as [`Closure::of`].
pub fn pin(runner: &Runner, flake: &Flake) -> Result<String> {
    let systems: Vec<Roots> = flake.eval(runner, ROOTS)?;
    let mut closures = Vec::with_capacity(systems.len());
    for system in systems {
        let script = std::fs::read_to_string(&system.generate_config)
            .with_context(|| format!("Failed to read {}", system.generate_config.display()))?;
        let roots: Vec<(String, PathBuf)> = system.drvs.into_iter().collect();
        closures.push(Closure::of(&roots, emitted(&script)?)?);
    }
    Ok(serde_json::to_string_pretty(&closures)? + "\n")
}
