//! Profile, activation and boot loader: the stock nixos-install.

use std::path::Path;

use anyhow::Result;

use super::leftovers;
use crate::diagnostic::Diagnostic;
use crate::nix::explain::{UNKNOWN, explain};
use crate::plan::job::Job;
use crate::process::{Invocation, Stream};
use crate::progress::Unit;
use crate::tree::source::ConfigKind;

/// What nixos-install says when it begins a step (nixpkgs 24.05 and 2026, nixos-install.sh).
const STEPS: [&str; 3] = [
    "copying channel...",
    "installing the boot loader...",
    "installation finished!",
];

/// Runs nixos-install for the toplevel `system`, which is in the target's store already.
///
/// # Errors
/// A [`Diagnostic`] with everything that it said, on both outputs.
pub fn activate(job: &Job<'_>, kind: ConfigKind, system: &Path) -> Result<()> {
    let mut invocation = Invocation::new("nixos-install").arg("--root").arg(job.target.root());
    invocation = invocation.arg("--system").arg(system).arg("--no-root-passwd");
    if job.no_bootloader {
        invocation = invocation.arg("--no-bootloader");
    }
    invocation = match kind {
        // A flake brings its own nixpkgs.
        ConfigKind::Flake => invocation.arg("--no-channel-copy"),
        ConfigKind::Channel => match job.channels.for_target() {
            Some(channels) => invocation.arg("--channel").arg(channels),
            None => invocation,
        },
    };
    let mut step = 0;
    leftovers::begin(&job.target)?;
    let finished = job.runner.run(&invocation, &mut |stream, line| {
        if let Some(index) = STEPS.iter().position(|known| *known == line) {
            step = index as u64 + 1;
        }
        // Its complaints about the target come on stdout.
        if stream == Stream::Stdout && !line.is_empty() {
            job.report.note(line);
        }
        job.report.progress(step, STEPS.len() as u64, Unit::Steps, "");
    });
    let cleaned = leftovers::finish(&job.target);
    let finished = finished?;
    if finished.status.success() {
        return cleaned;
    }
    let said = finished.tail.join("\n");
    let explained = explain(&said, None);
    let problem = if explained.code == UNKNOWN {
        Diagnostic::error("activation-failed", "nixos-install could not activate the system")
            .because(
                "The system is copied to the target; its activation or its boot loader failed. What it said is below.",
            )
            .remedy("Mend what it names, then run the same command again.")
            .raw(said)
    } else {
        explained
    };
    Err(problem.into())
}
