//! An update of a system that does not run: what an installation does, and the former system again where that fails.

use std::fs;

use anyhow::{Result, ensure};

use super::installation::{Generations, Installation};
use super::update_steps::not_switched;
use super::{activate as installed, inspect as inspected, leftovers};
use crate::live::running_machine::SYSTEM_PROFILE;
use crate::live::target::Target;
use crate::plan::Plan;
use crate::process::Invocation;

pub(super) fn activate(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let former = target.generation(SYSTEM_PROFILE);
    let installed = installed::step(plan, target, installation);
    installation.has_made(former, target.generation(SYSTEM_PROFILE));
    installed.map_err(|error| not_switched(error, restore(plan, target, installation)))
}

/// Looks at the result; a system that would not start is not left as the next one.
pub(super) fn inspect(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let inspected = inspected::step(plan, target, installation);
    inspected.map_err(|error| not_switched(error, restore(plan, target, installation)))
}

/// Removes the new generation, and writes the boot menu of the former one.
fn restore(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let mut runner = installation.live.runner.for_cleanup();
    runner.share_lock(installation.lock.file()?);
    let generations = installation.generations()?;
    let Generations { former, made } = generations;
    ensure!(
        target.generation(SYSTEM_PROFILE) == *made,
        "another one is current by now"
    );
    if made != former {
        let profile = || {
            let of = Invocation::new("nix-env").arg("--store").arg(target.root());
            of.arg("--profile").arg(target.inside(SYSTEM_PROFILE))
        };
        runner.output(&profile().arg("--switch-generation").args(former))?;
        runner.output(&profile().arg("--delete-generations").args(made))?;
    }
    // An earlier run may have been cut off after the new generation was made: then it was there before this one.
    let profile = target.inside(SYSTEM_PROFILE);
    let system = fs::read_link(profile.with_file_name(fs::read_link(&profile)?))?;
    ensure!(system != plan.system, "the former system is not known");
    leftovers::remove_loader_conf(plan, target)?;
    let menu = format!("{SYSTEM_PROFILE}/bin/switch-to-configuration boot");
    let enter = Invocation::new("nixos-enter").arg("--root").arg(target.root());
    runner.output(&enter.args(["--command", &menu]).long()).map(drop)
}
