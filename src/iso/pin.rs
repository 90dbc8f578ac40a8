//! `nix-cfg-iso pin`: what an image must hold, as a file, for where import from derivation is forbidden.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::closure::Closure;
use super::emitted::emitted;
use super::image::Flake;
use crate::nix::command::Runner;
use crate::report::Problem;

/// The name of the file.
pub const FILE: &str = "closure.json";

/// Where the file goes, for the folder `reference` (which may name an attribute after `#`).
///
/// # Errors
/// A [`Problem`] when that is no folder here: to find out what to write takes as long as evaluating the image.
pub fn file(reference: &str) -> Result<PathBuf> {
    let folder = Path::new(reference.split('#').next().unwrap_or_default());
    if folder.is_dir() {
        return Ok(folder.join(FILE));
    }
    Err(
        Problem::error("pin-folder", format!("{} is not a folder", folder.display()))
            .because(format!("{FILE} is written beside the flake.nix that names it."))
            .remedy("Name the folder of the flake, as a path.")
            .into(),
    )
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flake_that_is_elsewhere_is_refused_before_it_is_evaluated() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        for reference in [name.to_owned(), format!("{name}#iso")] {
            assert_eq!(file(&reference).unwrap(), folder.path().join(FILE));
        }
        let error = file("github:example/machines#iso").unwrap_err().to_string();
        assert!(error.contains("github:example/machines is not a folder"), "{error}");
    }
}
