//! The toplevel, built in the live system's own store, or in the target's.

use std::path::Path;

use anyhow::Result;

use super::disk;
use super::installation::Installation;
use crate::diagnostic::{Diagnostic, Problem, ProgramProblem, SupplyProblem};
use crate::live::target::Target;
use crate::nix::activity::{LOG_FORMAT, Tracker};
use crate::nix::explain::explain;
use crate::plan::Plan;
use crate::plan::phases::COPY;
use crate::plan::request::LiveSystem;
use crate::process::{Invocation, Runner, Stream};
use crate::progress::{Reporter, Unit};

/// Builds the toplevel. What is already valid is not built again.
pub(super) fn step(plan: &Plan, _: &Target, installation: &Installation<'_>) -> Result<()> {
    in_memory(plan, installation.live)
}

/// The same, where nothing is installed.
pub(super) fn in_memory(plan: &Plan, live: &LiveSystem<'_>) -> Result<()> {
    let planned = plan.build.len() as u64;
    realise(live.runner, &plan.derivation, &mut |tracker| {
        show(live.report, planned, tracker);
    })
}

/// Builds it in the target's store, which has what it is built from: nothing of it is in the memory of the live system, but what a
/// builder writes while it runs.
pub(super) fn in_target(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let (runner, report) = (installation.live.runner, installation.live.report);
    // The bytes are there; what is left of the bar belongs to the derivations.
    report.expect(COPY, 0.0);
    let planned = plan.build.len() as u64;
    if planned == 0 {
        return Ok(());
    }
    let root = target.root();
    let copy = Invocation::new("nix").args(["copy", "--no-check-sigs", "--derivation", "--to"]);
    track(
        runner,
        &copy.arg(root).args(LOG_FORMAT).arg(&plan.derivation),
        &mut |_| {},
    )?;
    // All that could be fetched is there, and the servers may be gone by now.
    let realise = Invocation::new("nix-store").args(["--option", "substitute", "false", "--store"]);
    let realise = realise.arg(root).arg("--realise");
    track(
        runner,
        &realise.args(LOG_FORMAT).arg(&plan.derivation),
        &mut |tracker| show(report, planned, tracker),
    )
    .and_then(|_| disk::sync(target))
    .map_err(|error| disk::explain(target, error))
}

/// Shows how many derivations are built of those that were `planned`. There can be more.
fn show(report: &Reporter, planned: u64, tracker: &Tracker) {
    let done = tracker.built();
    report.progress(done, planned.max(done), Unit::Derivations, tracker.item());
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

/// Whether the network, a server or what it sent can be why Nix failed: any other reason is known by its words.
pub(super) fn can_be_of_cache(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|found: &Diagnostic| {
        matches!(
            found.problem,
            Problem::ProgramProblem(ProgramProblem::Unknown { .. })
                | Problem::SupplyProblem(SupplyProblem::Download { .. })
        )
    })
}
