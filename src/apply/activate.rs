//! Profile, activation and boot loader: the stock nixos-install.

use anyhow::Result;

use super::installation::Installation;
use super::{leftovers, put_extra_files};
use crate::diagnostic::{ApplyProblem, Diagnostic};
use crate::live::target::Target;
use crate::nix::explain;
use crate::plan::Plan;
use crate::process::{Invocation, Stream};
use crate::progress::Unit;
use crate::tree::source::ConfigKind;

/// What nixos-install says when it begins a step (nixpkgs 24.05 and 2026, nixos-install.sh).
const STEPS: [&str; 3] = [
    "copying channel...",
    "installing the boot loader...",
    "installation finished!",
];

/// Runs nixos-install for the toplevel, which is in the target's store already.
pub(super) fn step(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let live = installation.live;
    let mut invocation = Invocation::new("nixos-install").arg("--root").arg(target.root());
    invocation = invocation.arg("--system").arg(&plan.system).arg("--no-root-passwd");
    if installation.request.no_bootloader {
        invocation = invocation.arg("--no-bootloader");
    }
    invocation = match plan.kind {
        // A flake brings its own nixpkgs.
        ConfigKind::Flake => invocation.arg("--no-channel-copy"),
        ConfigKind::Channel => match live.channels.for_target() {
            Some(channels) => invocation.arg("--channel").arg(channels),
            None => invocation,
        },
    };
    let mut step = 0;
    leftovers::begin(target)?;
    leftovers::remove_loader_conf(plan, target)?;
    let finished = live.runner.run(&invocation, &mut |stream, line| {
        if let Some(index) = STEPS.iter().position(|known| *known == line) {
            step = index as u64 + 1;
        }
        // It reports problems with the target on stdout.
        if stream == Stream::Stdout && !line.is_empty() {
            live.report.note(line);
        }
        live.report.progress(step, STEPS.len() as u64, Unit::Steps, "");
    });
    let cleaned = leftovers::finish(target);
    let finished = finished?;
    if finished.status.success() {
        if let Some(files) = &plan.extra_files {
            for problem in put_extra_files::give(files, target)? {
                live.report.problem(&problem);
            }
        }
        return cleaned;
    }
    let said = finished.tail.join("\n");
    let problem = explain::known(&said).unwrap_or_else(|| Diagnostic::from(ApplyProblem::ActivationFailed).raw(said));
    Err(problem.into())
}
