//! The toplevel, built in the live system's own store.

use std::path::Path;

use anyhow::Result;

use super::installation::Installation;
use crate::live::target::Target;
use crate::nix::activity::{LOG_FORMAT, Tracker};
use crate::nix::explain::explain;
use crate::plan::Plan;
use crate::process::{Invocation, Runner, Stream};
use crate::progress::Unit;

/// Builds the toplevel. What is already valid is not built again.
pub(super) fn step(plan: &Plan, _: &Target, installation: &Installation<'_>) -> Result<()> {
    let (runner, report) = (installation.live.runner, installation.live.report);
    let planned = plan.build.len() as u64;
    realise(runner, &plan.derivation, &mut |tracker| {
        let done = tracker.built();
        report.progress(done, planned.max(done), Unit::Derivations, tracker.item());
    })
}

/// Builds `derivation` in the live system's own store, and calls `on_change` at each change.
///
/// # Errors
/// An explained problem when that fails.
pub(super) fn realise(runner: &Runner, derivation: &Path, on_change: &mut dyn FnMut(&Tracker)) -> Result<()> {
    let invocation = Invocation::new("nix-store")
        .arg("--realise")
        .args(LOG_FORMAT)
        .arg(derivation);
    track(runner, &invocation, on_change).map(drop)
}

/// Runs a Nix program that logs in the internal-json format and calls `on_change` at each change. Returns its stdout.
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
