//! The closure into the target's store.

use std::path::Path;

use anyhow::{Context, Result};

use super::build::track;
use super::target::Target;
use crate::nix::command::{Invocation, Runner};
use crate::report::{Report, Unit};

/// Copies the closure of `root` into the target's store. What is already there is not copied again.
///
/// # Errors
/// An explained [`crate::report::Problem`] when Nix cannot copy.
pub fn copy(runner: &Runner, report: &Report, target: &Target, root: &Path) -> Result<()> {
    let total = closure_size(runner, root)?;
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

fn closure_size(runner: &Runner, root: &Path) -> Result<u64> {
    let paths = runner.output(&Invocation::new("nix-store").args(["--query", "--requisites"]).arg(root))?;
    let sizes = runner.output(
        &Invocation::new("nix-store")
            .args(["--query", "--size"])
            .args(paths.lines()),
    )?;
    sizes
        .lines()
        .map(|line| {
            line.parse::<u64>()
                .with_context(|| format!("nix-store told a size that is no number: {line}"))
        })
        .sum()
}
