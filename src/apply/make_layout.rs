//! The layout for disko, made by disko's own script.

use std::path::{Path, PathBuf};

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};

use super::build::{can_be_of_cache, realise};
use crate::diagnostic::{Diagnostic, DiskoProblem};
use crate::live::disk_use::swaps;
use crate::live::mounts;
use crate::nix::disko::Mode;
use crate::plan::DiskoPlan;
use crate::plan::request::LiveSystem;
use crate::process::{Invocation, Runner};
use crate::store::cached::FRUITLESS;

/// Without it the script asks for "yes" (disko 1.9.0, lib/default.nix).
const CONFIRMED: &str = "--yes-wipe-all-disks";

/// Builds the script. The disks are not touched. A cache that no longer answers is waited for.
///
/// # Errors
/// When it cannot be built.
pub fn build_script(layout: &DiskoPlan, live: &LiveSystem<'_>) -> Result<()> {
    let mut fruitless = 0;
    loop {
        let Err(error) = realise(live.runner, &layout.derivation, &mut |_| {}) else {
            return Ok(());
        };
        let Some(cache) = live.cache.filter(|_| can_be_of_cache(&error)) else {
            return Err(error);
        };
        fruitless = if cache.came_back(live.runner, live.report)? {
            0
        } else {
            fruitless + 1
        };
        if fruitless == FRUITLESS {
            return Err(error);
        }
    }
}

/// Runs the script: the layout is made, and mounted at `target`. Where that fails, nothing is mounted.
///
/// # Errors
/// When the script ends with an error (what it printed is in that), or mounted something else than what is on its disks.
pub fn make_layout(
    layout: &DiskoPlan,
    target: &Path,
    live: &LiveSystem<'_>,
    passphrase: Option<&SecretString>,
) -> Result<()> {
    let before = swaps(Path::new("/"));
    let made = run_script(layout, live, passphrase).and_then(|()| {
        let elsewhere = layout.made_elsewhere(live.runner, target, &before);
        elsewhere.map_or(Ok(()), |problem| Err(problem.into()))
    });
    if made.is_err() {
        take_down(&live.runner.for_cleanup(), target, &before);
    }
    made
}

fn run_script(layout: &DiskoPlan, live: &LiveSystem<'_>, passphrase: Option<&SecretString>) -> Result<()> {
    let script = Invocation::new(&layout.program);
    let script = match layout.mode {
        Mode::Wipe => script.arg(CONFIRMED),
        Mode::Format | Mode::Mount => script,
    };
    let script = match passphrase {
        // A volume that is made asks twice, one that is opened once.
        Some(passphrase) => script.stdin(
            format!("{}\n", passphrase.expose_secret())
                .repeat(2 * layout.asking.len())
                .into_bytes(),
        ),
        None => script,
    };
    let finished = live.runner.run(&script, &mut |_, _| {})?;
    if finished.status.success() {
        return Ok(());
    }
    let problem = DiskoProblem::Failed { line: finished.line };
    Err(Diagnostic::from(problem).raw(finished.tail.join("\n")).into())
}

/// Unmounts what is mounted at `target`, and stops the swap that was not in use before.
pub fn take_down(runner: &Runner, target: &Path, swaps_before: &[PathBuf]) {
    let mut commands = Vec::new();
    if mounts::at(target).is_some() {
        commands.push(Invocation::new("umount").arg("-R").arg(target));
    }
    let swaps = swaps(Path::new("/"))
        .into_iter()
        .filter(|swap| !swaps_before.contains(swap));
    commands.extend(swaps.map(|swap| Invocation::new("swapoff").arg(swap)));
    for command in commands {
        if let Err(error) = runner.output(&command) {
            // The next run finds it, and says so.
            log::warn!("{error:#}");
        }
    }
}
