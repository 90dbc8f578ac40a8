//! What an image holds, from an evaluation of its flake.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::image_closure::ImageClosure;
use crate::nix::explain;
use crate::nix::literal::path_reference;
use crate::process::{Finished, Invocation, Runner};
use crate::store::database::{self, Record};
use crate::tree::feature::{Feature, NotCovered};

/// An emitted directory, or any flake reference to what `mkOfflineIso` gives.
#[derive(Debug, Clone)]
pub struct ImageOutput {
    /// The directory; with `#ATTRIBUTE` where that is not `iso`.
    pub reference: String,
    /// More arguments for Nix (`--override-input …`).
    pub nix_args: Vec<OsString>,
}

/// The result of the evaluation. Store paths need not be there yet.
#[derive(Debug, Deserialize)]
pub struct ImageContents {
    /// The outputs of the installed systems.
    pub toplevels: Vec<String>,
    /// Their hosts, in the same order; none for a channel configuration.
    pub hosts: Vec<String>,
    /// Their .drv files.
    pub drvs: Vec<PathBuf>,
    /// The output of the live system.
    pub live: String,
    /// What the store is made to hold besides: inputs of the flake, paths that were added.
    pub others: Vec<String>,
    /// What rebuilding the systems needs, besides what they need to run: kept on the target where `offlineRebuild` says so.
    pub rebuild: Vec<String>,
    /// `frontier`, `full` or `runtime`.
    pub kind: String,
    /// One for each system; none for `runtime`.
    pub closures: Vec<ImageClosure>,
    /// What nixos-generate-config can write and nix/variants.nix does not know, once: what the image holds all the same.
    pub automatic: Vec<Feature>,
    /// And what it does not hold, with the reason.
    pub uncovered: Vec<NotCovered>,
}

/// The string context is dropped so that printing builds nothing but the list.
const FACTS: &str = "\
iso: let
  plain = builtins.unsafeDiscardStringContext;
  inherit (iso.live.config) isoImage offlineInstaller;
  inherit (offlineInstaller) described;
  all = if offlineInstaller.closure != \"runtime\" then offlineInstaller.closures else [ ];
  once = of: builtins.foldl' (seen: one: if builtins.elem one seen then seen else seen ++ [ one ]) [ ] (builtins.concatMap of all);
in {
  inherit (offlineInstaller) hosts;
  toplevels = map (one: plain one.toplevel) described;
  drvs = map (one: plain one.drv) described;
  live = plain iso.live.config.system.build.toplevel.outPath;
  others = map (path: plain \"${path}\") isoImage.storeContents;
  rebuild = map (path: plain \"${path}\") offlineInstaller.rebuildPaths;
  kind = offlineInstaller.closure;
  closures = map (closure: closure.facts) all;
  automatic = once (closure: closure.automatic);
  uncovered = once (closure: closure.uncovered);
}";

impl ImageOutput {
    /// What Nix calls the image; with `.ATTRIBUTE` what belongs to it.
    fn installable(&self, attribute: &str) -> Result<String> {
        if self.reference.contains('#') {
            return Ok(format!("{}{attribute}", self.reference));
        }
        let dir = std::path::absolute(&self.reference).context("Failed to find the working directory")?;
        Ok(format!("{}#iso{attribute}", path_reference(&dir)))
    }

    /// Builds the `.ATTRIBUTE` of the image, and links it at `link`.
    ///
    /// # Errors
    /// As [`ImageOutput::eval`], also when it cannot be built.
    pub fn build(&self, runner: &Runner, attribute: &str, link: &Path) -> Result<()> {
        let invocation = Invocation::new("nix")
            .args([
                "build",
                "--extra-experimental-features",
                "nix-command flakes",
                "--out-link",
            ])
            .arg(link)
            .arg(self.installable(attribute)?)
            .args(self.nix_args.clone());
        evaluated(&runner.run(&invocation, &mut |_, _| {})?)
    }

    /// `nix eval` of the image, through `apply`.
    ///
    /// # Errors
    /// An explained [`crate::diagnostic::Diagnostic`] when Nix cannot evaluate it.
    pub fn eval<T: serde::de::DeserializeOwned>(&self, runner: &Runner, apply: &str) -> Result<T> {
        let invocation = Invocation::new("nix")
            .args(["eval", "--json", "--extra-experimental-features", "nix-command flakes"])
            .arg(self.installable("")?)
            .args(["--apply", apply])
            .args(self.nix_args.clone())
            .quiet();
        let finished = runner.run(&invocation, &mut |_, _| {})?;
        evaluated(&finished)?;
        serde_json::from_str(finished.text()?).context("Nix printed something else than was asked for")
    }

    /// Evaluates what the image holds: as long as evaluating the image takes.
    ///
    /// # Errors
    /// As [`ImageOutput::eval`].
    pub fn image(&self, runner: &Runner) -> Result<ImageContents> {
        self.eval(runner, FACTS)
    }
}

/// An explained problem of a Nix that failed.
fn evaluated(finished: &Finished) -> Result<()> {
    if finished.status.success() {
        return Ok(());
    }
    let said = console::strip_ansi_codes(&finished.tail.join("\n")).into_owned();
    Err(explain::explain(&said, None).into())
}

/// Of `paths` those that are in this machine's store, with everything that they refer to; and how many are not.
///
/// # Errors
/// When Nix cannot evaluate it.
pub fn valid_records(runner: &Runner, paths: &BTreeSet<&str>) -> Result<(Vec<Record>, usize)> {
    let paths: Vec<&str> = paths.iter().copied().collect();
    let invalid = database::invalid(runner, None, &paths)?;
    let valid: Vec<&str> = paths.into_iter().filter(|path| !invalid.contains(*path)).collect();
    Ok((database::of_closure(runner, &valid)?, invalid.len()))
}
