//! `nix-cfg-iso pin`: what an image must hold, as a file, for where import from derivation is forbidden.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::flake_reference::local_directory;
use super::generate_config::HardwareFeatures;
use super::image_closure::ImageClosure;
use super::image_contents::ImageOutput;
use crate::diagnostic::IsoImageProblem;
use crate::nix::literal::string;
use crate::process::Runner;

/// The name of the file.
pub const FILE: &str = "closure.json";

/// Where the file goes, for the directory `reference` (which may name an attribute after `#`).
///
/// # Errors
/// [`IsoImageProblem::NoDirectory`] when that is not a directory here: to find out what to write takes as long as evaluating the image.
pub fn file(reference: &str) -> Result<PathBuf> {
    let directory = local_directory(reference);
    if directory.is_dir() {
        return Ok(directory.join(FILE));
    }
    Err(IsoImageProblem::NoDirectory {
        directory: directory.to_owned(),
        written: FILE,
    }
    .into())
}

/// Where nix/closure.nix found what one system's nixos-generate-config can write, and the configuration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sources {
    generate_config: Option<PathBuf>,
    filesystems: PathBuf,
    /// The store paths of the configuration.
    trees: Vec<String>,
}

/// One system in the file.
#[derive(Serialize)]
struct Entry<'a> {
    #[serde(flatten)]
    closure: ImageClosure,
    written: &'a HardwareFeatures,
}

const SOURCES: &str = "\
iso: map (closure: builtins.mapAttrs (_: path: if path == null then null else builtins.unsafeDiscardStringContext path)
  closure.sources // { inherit (closure) trees; }) iso.live.config.offlineInstaller.closures";

/// The .drv files of each system's variants, which depend on what can be written.
fn roots(written: &[HardwareFeatures]) -> Result<String> {
    Ok(format!(
        "iso: let
          inherit (iso.live.config.offlineInstaller) closures;
          written = builtins.fromJSON {};
        in builtins.genList (at: builtins.mapAttrs (_: builtins.unsafeDiscardStringContext)
          ((builtins.elemAt closures at).drvsFor (builtins.elemAt written at))) (builtins.length closures)",
        string(&serde_json::to_string(written)?)
    ))
}

/// The text of the file: one closure for each installed system. nix/closure.nix refuses it when a .drv file is another.
///
/// # Errors
/// When Nix cannot evaluate the image, or as [`HardwareFeatures::read`] and [`ImageClosure::of`].
pub fn pin(runner: &Runner, flake: &ImageOutput) -> Result<String> {
    let sources: Vec<Sources> = flake.eval(runner, SOURCES)?;
    let written: Vec<HardwareFeatures> = sources
        .iter()
        .map(|system| HardwareFeatures::read(system.generate_config.as_deref(), &system.filesystems))
        .collect::<Result<_>>()?;
    let systems: Vec<BTreeMap<String, PathBuf>> = flake.eval(runner, &roots(&written)?)?;
    let mut entries = Vec::with_capacity(systems.len());
    for ((roots, written), source) in systems.into_iter().zip(&written).zip(&sources) {
        let roots: Vec<(String, PathBuf)> = roots.into_iter().collect();
        let closure = ImageClosure::of(&roots, &source.trees)?;
        entries.push(Entry { closure, written });
    }
    Ok(serde_json::to_string_pretty(&entries)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flake_that_is_elsewhere_is_refused_before_it_is_evaluated() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().to_str().unwrap();
        for reference in [name.to_owned(), format!("{name}#iso")] {
            assert_eq!(file(&reference).unwrap(), directory.path().join(FILE));
        }
        let error = file("github:example/machines#iso").unwrap_err().to_string();
        assert!(error.contains("github:example/machines is not a directory"), "{error}");
    }
}
