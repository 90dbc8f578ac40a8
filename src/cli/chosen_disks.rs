//! The job of Calamares after its page "Disk": what was chosen there becomes what the command line would have been.

use anyhow::Result;

use super::install_args::{Args, Step};
use crate::calamares::globals::Globals;
use crate::diagnostic::{CalamaresProblem, Diagnostics};
use crate::nix::disko::Mode;
use crate::plan::{Plan, offered};
use crate::process::Runner;

/// What `--disko wipe` on the chosen disks would have been; `None` where this is not that job.
///
/// # Errors
/// When nothing was chosen; as [`confirmed`].
pub fn arguments(args: &Args, globals: Option<&Globals>, runner: &Runner) -> Result<Option<Args>> {
    let Some(globals) = globals.filter(|_| args.calamares == Some(Step::Disko)) else {
        return Ok(None);
    };
    let page = globals.disk_page().ok_or(CalamaresProblem::NoDisk)?;
    confirmed(globals, None, runner)?;
    let disks = page.disks.iter();
    Ok(Some(Args {
        disko: Some(Mode::Wipe),
        disks: disks
            .map(|(name, disk)| format!("{name}={}", disk.shown.device))
            .collect(),
        yes: true,
        ..args.clone()
    }))
}

/// Looks, where the page chose disks, whether they are what it showed, and whether it asked for every disk that `plan` writes.
///
/// # Errors
/// [`Diagnostics`] with everything in which the machine differs from what the page showed, or that was not confirmed.
pub fn confirmed(globals: &Globals, plan: Option<&Plan>, runner: &Runner) -> Result<()> {
    let Some(page) = globals.disk_page() else { return Ok(()) };
    let mut problems = page.problems(&offered(runner), globals.host().as_deref().unwrap_or_default());
    let written = plan
        .and_then(|plan| plan.disko.as_ref())
        .map_or(&[][..], |layout| &layout.disks);
    let others = written.iter().filter(|disk| !page.disks.contains_key(&disk.name));
    let disks: Vec<String> = others.map(|disk| format!("{} ({})", disk.name, disk.device)).collect();
    if !disks.is_empty() {
        problems.push(CalamaresProblem::MoreDisks { disks }.into());
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Diagnostics(problems).into())
}
