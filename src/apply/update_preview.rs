//! What an update would change, said before anything is written.

use std::path::Path;

use anyhow::{Context, Result};

use super::build::in_memory;
use super::update_steps::switch;
use crate::interrupt::Interrupted;
use crate::live::running_machine::SYSTEM_PROFILE;
use crate::live::target::Target;
use crate::plan::request::{LiveSystem, Request, RunningUpdate, Update};
use crate::plan::{Plan, changes, phases};
use crate::process::Invocation;
use crate::store::database;
use crate::text::bytes;

/// Builds the new system in memory, and says which packages it has in other versions than the machine's, how much would be copied, and
/// what activating it would do.
///
/// # Errors
/// When it cannot be built, or a store cannot be asked.
pub fn preview(plan: &Plan, live: &LiveSystem<'_>, request: &Request) -> Result<()> {
    live.report.phase(phases::BUILD);
    in_memory(plan, live)?;
    let update = request.update.as_ref().context("No update was asked for")?;
    let running = update.of_running()?;
    say_packages(plan, live, running)?;
    say_bytes(plan, live, (update, &request.target))?;
    say_units(plan, live, running)
}

fn say_packages(plan: &Plan, live: &LiveSystem<'_>, update: &RunningUpdate) -> Result<()> {
    let closure = |system: &Path| {
        let ask = Invocation::new("nix-store").args(["--query", "--requisites"]);
        live.runner.output(&ask.arg(system).quiet())
    };
    let (mut old, new) = (String::new(), closure(&plan.system)?);
    update.machine.run(&mut || {
        old = closure(Path::new(SYSTEM_PROFILE))?;
        Ok(())
    })?;
    for line in changes(&old, &new) {
        live.report.note(&line);
    }
    Ok(())
}

fn say_bytes(plan: &Plan, live: &LiveSystem<'_>, (update, target): (&Update, &Target)) -> Result<()> {
    let records = database::of_closure(live.runner, &plan.roots())?;
    let all = records.len();
    let lacking = update.lacking(target, live.runner, records)?;
    live.report.note(&format!(
        "To copy: {} of {all} store paths, {}",
        lacking.len(),
        bytes(lacking.iter().map(|record| record.nar_size).sum())
    ));
    Ok(())
}

/// What the new system itself says; it asks the systemd that runs.
fn say_units(plan: &Plan, live: &LiveSystem<'_>, update: &RunningUpdate) -> Result<()> {
    live.report.note("Activated at once (--switch), it:");
    let dry = update.machine.run_with_live_store(&mut || {
        let finished = switch(live.runner, &plan.system, "dry-activate", live.report)?;
        finished.success().map(drop)
    });
    match dry {
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => {
            log::debug!("dry-activate: {error:?}");
            live.report.note("It cannot be said here which units would restart.");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
