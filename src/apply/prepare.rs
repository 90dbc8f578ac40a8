//! Makes the target reachable before it is planned: what Calamares mounted and unmounted again, swap.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::diagnostic::{ApplyProblem, Diagnostic};
use crate::live::disk_use;
use crate::live::mounts::{self, Mount};
use crate::process::{Invocation, Runner};
use crate::progress::Reporter;

/// Mounts the disk of an installation that Calamares began, unless it is mounted.
pub fn mount_again(runner: &Runner, report: &Reporter, target: &Path, mounts: &[Mount]) -> Result<()> {
    if mounts::at(target).is_some() {
        return Ok(());
    }
    report.note(&format!("Mounting the disk at {} again.", target.display()));
    for one in mounts {
        let invocation = Invocation::new("mount")
            .args(["--mkdir", "-t", &one.kind, "-o", &one.options])
            .arg(&one.source)
            .arg(&one.at);
        runner.output(&invocation)?;
    }
    Ok(())
}

/// Starts the swap partitions that are not in use: nixos-generate-config (24.05) writes only those that are. Calamares' mount
/// job starts them (3.3.14), and goes on when it cannot.
pub fn start_swap(runner: &Runner, report: &Reporter, swap: &[PathBuf]) -> Result<()> {
    let swaps = disk_use::swaps(Path::new("/"));
    for device in swap {
        let real = fs::canonicalize(device).unwrap_or_else(|_| device.clone());
        if swaps.contains(&real) {
            continue;
        }
        let finished = runner.run(&Invocation::new("swapon").arg(device), &mut |_, _| {})?;
        if let Err(error) = finished.success() {
            let device = device.clone();
            let problem = Diagnostic::from(ApplyProblem::SwapOff { device }).raw(format!("{error:#}"));
            report.problem(&problem);
        }
    }
    Ok(())
}
