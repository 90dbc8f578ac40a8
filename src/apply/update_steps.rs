//! An update of the running machine. The machine's own Nix writes its store: with its locks and its database, beside its daemon and a
//! garbage collection, and it verifies the hash of each store path.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::unistd::sync;

use super::build::track;
use super::installation::{Generations, Installation};
use super::{inspect, leftovers, receipt};
use crate::diagnostic::{Diagnostics, UpdateProblem};
use crate::files::{names, remove};
use crate::interrupt::Interrupted;
use crate::live::running_machine::{LIVE_ROOT, SYSTEM_PROFILE};
use crate::live::target::Target;
use crate::live::update_medium::CHANNELS_PROFILE;
use crate::nix::activity::LOG_FORMAT;
use crate::nix::explain;
use crate::plan::request::{RunningUpdate, Update};
use crate::plan::{KEPT, Plan};
use crate::process::{Finished, Invocation, Runner};
use crate::progress::{Reporter, Unit};
use crate::store::database::{self, Record};
use crate::store::reading;
use crate::store_path::store_name;
use crate::text::bytes;
use crate::tree::source::ConfigKind;

/// The link that keeps a root with that number until the update is finished.
fn kept(target: &Target, number: usize) -> PathBuf {
    target.collector_root(&format!("{KEPT}{number}"))
}

/// How often what a collection of garbage has removed is copied again.
const ATTEMPTS: usize = 3;

pub(super) fn update_of<'a>(installation: &Installation<'a>) -> Result<&'a Update> {
    installation.request.update.as_ref().context("No update was asked for")
}

fn running<'a>(installation: &Installation<'a>) -> Result<&'a RunningUpdate> {
    update_of(installation)?.of_running()
}

/// Has the machine's Nix copy what it lacks, and keep it until the end.
pub(super) fn copy(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let (update, running) = (update_of(installation)?, running(installation)?);
    let (runner, report) = (installation.live.runner, installation.live.report);
    let image = installation.live.image.as_ref();
    let roots = plan.roots();
    // A system that was built from a damaged source would be copied with the damage: its hash is that of what was built.
    let sources: Vec<&str> = plan.sources.keys().map(String::as_str).collect();
    reading::verify(runner, report, image, &sources).map_err(|error| gone_or(running, error))?;
    // A root may name what is copied later: a collection that begins then leaves it alone, and one that runs already leaves alone what is
    // added while it runs (Nix 2.8 to 2.34). A root that is made after Nix has ended is late for a collection that began in between.
    let used = running.used.iter().map(String::as_str);
    let wanted: Vec<&str> = roots.iter().copied().chain(used).collect();
    release(target, |root| !wanted.contains(&root))?;
    for (number, root) in wanted.into_iter().enumerate() {
        receipt::keep(Path::new(root), &kept(target, number))?;
    }
    update.require_used(runner)?;
    let records = database::of_closure(runner, &roots)?;
    let lacked = || update.lacking(target, runner, records.clone());
    let mut lacking = lacked()?;
    for _ in 0..ATTEMPTS {
        let total = lacking.iter().map(|record| record.nar_size).sum();
        if total > 0 {
            report.note(&format!("Copying {} store paths: {}", lacking.len(), bytes(total)));
        }
        report.expect_now(reading::seconds(total) * SLOWER);
        let copied = running
            .machine
            .run_beside_live(&mut || by_nix(runner, report, &roots, total));
        if let Err(error) = &copied {
            if error.is::<Interrupted>() {
                return copied;
            }
            if let Some(gone) = running.machine.medium_gone() {
                return Err(gone.into());
            }
        }
        // What the machine had before, without a root, is collected while the rest is copied: Nix counted on it.
        let still = lacked()?;
        match copied {
            Ok(()) if still.is_empty() => return Ok(()),
            Err(error) if still.iter().all(|record| lacking.contains(record)) => {
                return Err(damaged_or(installation, error, &lacking));
            }
            other => log::debug!("copied and gone again: {other:?}"),
        }
        lacking = still;
    }
    Err(UpdateProblem::Collected.into())
}

/// Nix takes this many times as long to copy as an installation does (docs/update.md).
const SLOWER: f64 = 4.0;

/// Copies the closures of `roots` from the live system into the store of the Nix that is started here.
fn by_nix(runner: &Runner, report: &Reporter, roots: &[&str], total: u64) -> Result<()> {
    let invocation = Invocation::new("nix")
        .args(["copy", "--no-check-sigs", "--from"])
        .arg(format!("local?root={LIVE_ROOT}"))
        .args(LOG_FORMAT)
        // A path is on the disk before it is valid; each of the two is known to some versions (2.8, 2.26).
        .args([
            "--option",
            "sync-before-registering",
            "true",
            "--option",
            "fsync-store-paths",
            "true",
        ])
        .args(roots.iter().copied())
        .long();
    let copied = track(runner, &invocation, &mut |tracker| {
        report.progress(tracker.bytes().min(total), total, Unit::Bytes, tracker.item());
    });
    copied.map(drop)
}

/// `error`, unless one of `lacking` is damaged on the medium.
fn damaged_or(installation: &Installation<'_>, error: anyhow::Error, lacking: &[Record]) -> anyhow::Error {
    let live = installation.live;
    let lacking: Vec<&str> = lacking.iter().map(|record| record.path.as_str()).collect();
    let damage = reading::verify(live.runner, live.report, live.image.as_ref(), &lacking);
    damage.err().unwrap_or(error)
}

/// `error`, unless the medium was taken out: nothing else is true of it then.
fn gone_or(update: &RunningUpdate, error: anyhow::Error) -> anyhow::Error {
    update.machine.medium_gone().map_or(error, Into::into)
}

/// Makes the new system the one that the machine starts next, as nixos-rebuild does.
pub(super) fn activate(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let update = running(installation)?;
    // The store is on the disk before anything names the new system.
    sync();
    // An interruption while the boot menu is written could leave a machine that starts neither system.
    let mut runner = installation.live.runner.for_cleanup();
    runner.share_lock(installation.lock.file()?);
    installation.live.runner.interrupt().check()?;
    leftovers::remove_loader_conf(plan, target)?;
    let own = target.generation(SYSTEM_PROFILE);
    keep_booted(&runner, target, update)?;
    let (current, former) = (target.generation(SYSTEM_PROFILE), former(own, plan, target, update)?);
    let set = update.machine.run(&mut || set(&runner, SYSTEM_PROFILE, &plan.system));
    let made = target.generation(SYSTEM_PROFILE);
    if set.is_err() && made == current {
        return set;
    }
    installation.has_made(former, made);
    let switched = set.and_then(|()| {
        update
            .machine
            .run(&mut || switch_to(&runner, plan, update, installation))
    });
    switched.map_err(|error| not_switched(error, restore(plan, target, installation)))
}

/// Makes what the machine was started with a generation where it is none any more, as after a trial that failed and a collection of
/// garbage. It may be the only system that starts, and the boot menu is made of generations.
fn keep_booted(runner: &Runner, target: &Target, update: &RunningUpdate) -> Result<()> {
    match update.machine.booted()? {
        Some(booted) if !is_generation(target, &booted) => {
            update.machine.run(&mut || set(runner, SYSTEM_PROFILE, &booted))
        }
        _ => Ok(()),
    }
}

/// Whether `system`, or what it is a specialisation of, is a generation of one of the profiles that the boot menu is made of.
fn is_generation(target: &Target, system: &Path) -> bool {
    let others = format!("{SYSTEM_PROFILE}-profiles");
    let names_of_others = names(&target.inside(&others)).into_iter();
    let profiles = names_of_others.map(|name| format!("{others}/{name}"));
    let mut generations = profiles
        .chain([SYSTEM_PROFILE.to_owned()])
        .flat_map(|profile| target.generations(&profile).into_values());
    generations.any(|generation| {
        let special = target.inside_path(&generation.join("specialisation"));
        let mut links = names(&special)
            .into_iter()
            .map(|name| fs::read_link(special.join(name)));
        generation == system || links.any(|link| link.is_ok_and(|link| link == system))
    })
}

/// The generation that the machine goes back to if this fails: its `own`, which was current. Where an earlier run has made that, and was
/// cut off, the one that it was started with.
fn former(own: Option<String>, plan: &Plan, target: &Target, update: &RunningUpdate) -> Result<Option<String>> {
    let generations = target.generations(SYSTEM_PROFILE);
    if let Some(current) = own.filter(|number| generations.get(number) != Some(&plan.system)) {
        return Ok(Some(current));
    }
    let booted = update.machine.booted()?;
    let mut others = generations.into_iter();
    Ok(others.find_map(|(number, system)| (Some(system) == booted).then_some(number)))
}

/// Has the new system write the boot menu, and activate itself where that is asked for.
fn switch_to(runner: &Runner, plan: &Plan, update: &RunningUpdate, installation: &Installation<'_>) -> Result<()> {
    let report = installation.live.report;
    let how = if update.switch { "switch" } else { "boot" };
    let finished = switch(runner, &plan.system, how, report)?;
    match finished.status.code() {
        // The boot menu is written by then, and the rest is reported by switch-to-configuration (24.05, 26.11).
        Some(code @ 2..=4) if update.switch => {
            report.problem(&UpdateProblem::UnitsFailed { code }.into());
            Ok(())
        }
        _ => {
            let known = explain::known(&finished.tail.join("\n"));
            let ended = finished.success().map(drop);
            ended.map_err(|error| known.map_or(error, Into::into))
        }
    }
}

/// `error`, which kept the new system from being the next one, and whether the former one is that again (`restored`).
pub(super) fn not_switched(error: anyhow::Error, restored: Result<()>) -> anyhow::Error {
    if error.is::<Interrupted>() {
        return error;
    }
    let restored = restored
        .inspect_err(|error| log::debug!("the former system: {error:?}"))
        .is_ok();
    match Diagnostics::of(error) {
        Ok(mut problems) => {
            problems.push(UpdateProblem::NotSwitched { restored }.into());
            Diagnostics(problems).into()
        }
        Err(error) => error,
    }
}

fn set(runner: &Runner, profile: &str, path: &Path) -> Result<()> {
    let set = Invocation::new("nix-env").args(["--profile", profile, "--set"]);
    runner.output(&set.arg(path)).map(drop)
}

/// Runs the `switch-to-configuration` of `system`, and says what that says.
pub(super) fn switch(runner: &Runner, system: &Path, how: &str, report: &Reporter) -> Result<Finished> {
    let invocation = Invocation::new(system.join("bin/switch-to-configuration")).arg(how);
    runner.run(&invocation, &mut |_, line| {
        if !line.is_empty() {
            report.note(line);
        }
    })
}

/// Removes the generation that was just made, and writes the boot menu of the former one, unless the machine runs the new system
/// already.
fn restore(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let running = running(installation)?;
    let mut runner = installation.live.runner.for_cleanup();
    runner.share_lock(installation.lock.file()?);
    let generations = installation.generations()?;
    let Generations { former, made } = generations;
    let (former, made) = (former.as_ref().context("It is not known")?, made.as_ref());
    ensure!(
        target.generation(SYSTEM_PROFILE).as_ref() == made,
        "another one is current by now"
    );
    ensure!(
        running.machine.booted()?.as_ref() != Some(&plan.system),
        "the machine runs it"
    );
    leftovers::remove_loader_conf(plan, target)?;
    let profile = || Invocation::new("nix-env").args(["--profile", SYSTEM_PROFILE]);
    running.machine.run(&mut || {
        runner.output(&profile().args(["--switch-generation", former]))?;
        runner.output(&profile().arg("--delete-generations").args(made))?;
        let former = switch(&runner, Path::new(SYSTEM_PROFILE), "boot", installation.live.report)?;
        former.success().map(drop)
    })
}

/// Looks at the result; a system that would not start is not left as the next one.
pub(super) fn inspect(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let inspected = inspect::step(plan, target, installation);
    inspected.map_err(|error| not_switched(error, restore(plan, target, installation)))
}

/// Gives the machine its channels, which are those of the new system, and does what [`keep`] does.
pub(super) fn finish(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let channels = installation.live.channels.for_target();
    if let Some(channels) = channels.filter(|_| plan.kind == ConfigKind::Channel) {
        let runner = installation.live.runner;
        running(installation)?
            .machine
            .run(&mut || set(runner, CHANNELS_PROFILE, &channels))?;
    }
    keep(plan, target, installation)
}

/// Lets the collector have what links keep of this update, or of an earlier one that failed, where `is_done` with what they name.
fn release(target: &Target, is_done: impl Fn(&str) -> bool) -> Result<()> {
    for name in names(&target.collector_root("")) {
        let link = target.collector_root(&name);
        let root = fs::read_link(&link).unwrap_or_default();
        if name.starts_with(KEPT) && is_done(&root.to_string_lossy()) {
            remove(&link)?;
        }
    }
    Ok(())
}

/// Writes the receipt, lets the machine's Nix keep by the profiles alone what was copied, and says what the machine starts next.
pub(super) fn keep(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    receipt::step(plan, target, installation)?;
    // What a run that was cut off has kept as well.
    release(target, |_| true)?;
    let report = installation.live.report;
    let trial = match inspect::starts_left(target, &plan.system) {
        Some(0) => {
            report.problem(&UpdateProblem::GivenUp.into());
            return Ok(());
        }
        Some(left) => format!("It is on trial: unless it is found good in {left} starts, a former system starts."),
        None => "Its starts are not counted: if it does not start, choose a former one.".to_owned(),
    };
    let system = store_name(&plan.system.to_string_lossy());
    report.note(&format!(
        "The next start is {system}. The former systems stay in the boot menu. {trial}"
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_system_is_a_generation_of_any_profile_and_so_are_its_specialisations() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::new(directory.path());
        for (link, system) in [
            ("nix/var/nix/profiles/system-2-link", "/nix/store/own"),
            ("nix/var/nix/profiles/system-profiles/other-1-link", "/nix/store/other"),
            ("nix/store/own/specialisation/dark", "/nix/store/dark"),
            ("nix/var/nix/profiles/system-profiles/other", "other-1-link"),
            ("nix/var/nix/profiles/default-1-link", "/nix/store/tools"),
        ] {
            let link = target.root().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(system, link).unwrap();
        }
        let found = ["own", "other", "dark", "tools", "gone"]
            .map(|name| is_generation(&target, &Path::new("/nix/store").join(name)));
        assert_eq!(found, [true, true, true, false, false]);
    }
}
