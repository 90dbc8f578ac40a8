//! The toplevel, built in the live system's own store.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::nix::activity::{Tracker, WATCHED};
use crate::nix::explain::explain;
use crate::process::{Invocation, Runner, Stream};
use crate::progress::{Reporter, Unit};

/// Builds the derivation at `drv`, which takes `planned` builds, and gives its output. What is already valid is not built
/// again.
///
/// # Errors
/// An explained [`crate::diagnostic::Diagnostic`] when a builder fails or something is missing.
pub fn build(runner: &Runner, report: &Reporter, drv: &Path, planned: u64) -> Result<PathBuf> {
    let invocation = Invocation::new("nix-store").arg("--realise").args(WATCHED).arg(drv);
    let finished = track(runner, &invocation, &mut |tracker| {
        let done = tracker.built();
        report.progress(done, planned.max(done), Unit::Derivations, tracker.item());
    })?;
    let path = finished
        .lines()
        .last()
        .context("nix-store built the system and did not say where it is")?;
    Ok(PathBuf::from(path))
}

/// Runs a Nix program that speaks internal-json and tells each change; gives its stdout.
///
/// # Errors
/// An explained problem when it fails.
pub(super) fn track(runner: &Runner, invocation: &Invocation, on_change: &mut dyn FnMut(&Tracker)) -> Result<String> {
    let mut tracker = Tracker::default();
    let finished = runner.run(invocation, &mut |stream, line| {
        if stream == Stream::Stderr {
            tracker.take(line);
            on_change(&tracker);
        }
    })?;
    if finished.status.success() {
        return Ok(finished.text()?.to_owned());
    }
    Err(explain(&tracker.said(), None).into())
}
