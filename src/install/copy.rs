//! The closure into the target's store.

use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;

use super::build::track;
use super::target::Target;
use crate::nix::command::{Invocation, Runner};
use crate::report::{Problem, Report, Unit, bytes};

/// Copies the closure of `root` into the target's store. What is already there is not copied again.
///
/// # Errors
/// A [`Problem`]: the target is too small, or, explained, what kept Nix from copying.
pub fn copy(runner: &Runner, report: &Report, target: &Target, root: &Path) -> Result<()> {
    let root = root.to_str().context("The path of the system is not UTF-8")?;
    let total = closure_size(runner, &[root])?;
    let present = runner.output(&query(&["--query", "--requisites"], &[root], Some(target)));
    require_space(target, if present.is_ok() { 0 } else { total })?;
    let invocation = Invocation::new("nix")
        .args(["copy", "--no-check-sigs", "--log-format", "internal-json", "--to"])
        .arg(target.root())
        .arg(root);
    track(runner, &invocation, &mut |tracker| {
        report.progress(tracker.bytes(), total, Unit::Bytes, tracker.item());
    })?;
    report.progress(total, total, Unit::Bytes, "");
    Ok(())
}

/// The bytes of the closure of `paths` in the live system's store.
///
/// # Errors
/// When Nix does not tell.
pub fn closure_size(runner: &Runner, paths: &[&str]) -> Result<u64> {
    if paths.is_empty() {
        return Ok(0);
    }
    let closure = runner.output(&query(&["--query", "--requisites"], paths, None))?;
    let closure: Vec<&str> = closure.lines().collect();
    let sizes = runner.output(&query(&["--query", "--size"], &closure, None))?;
    sizes
        .lines()
        .map(|line| {
            line.parse::<u64>()
                .with_context(|| format!("nix-store told a size that is no number: {line}"))
        })
        .sum()
}

fn query(what: &[&str], paths: &[&str], target: Option<&Target>) -> Invocation {
    let mut ask = Invocation::new("nix-store");
    if let Some(target) = target {
        ask = ask.arg("--store").arg(target.root());
    }
    ask.args(what.iter().copied())
        .args(paths.iter().copied())
        .quiet()
        .long()
}

/// Says before the first byte is written that the last would not fit. `needed` is in bytes.
///
/// # Errors
/// A [`Problem`] `disk-full` with what is missing.
pub(super) fn require_space(target: &Target, needed: u64) -> Result<()> {
    let fs = statvfs(target.root()).context("Failed to look at the target's file system")?;
    let free = fs.blocks_available() * fs.fragment_size();
    if needed <= free {
        return Ok(());
    }
    Err(Problem::error("disk-full", "The target is too small")
        .because(format!(
            "It needs {}, and {} are free: {} more are needed.",
            bytes(needed),
            bytes(free),
            bytes(needed - free)
        ))
        .remedy("Use a larger disk or partition, or a smaller configuration, and run the same command again.")
        .into())
}
