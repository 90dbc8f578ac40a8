//! The target of a run: where it is, what is known of its machine, its lock, and the layout for disko that is made first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::disk_questions;
use super::install_args::{Args, Step};
use crate::apply::{Failure, make_layout, prepare};
use crate::calamares::globals::Globals;
use crate::live::answers::Lists;
use crate::live::decisions::Decisions;
use crate::live::installer_facts::{BY_ID, GENERATOR_DEFAULTS, InstallerFacts};
use crate::live::resume;
use crate::live::target::Target;
use crate::live::target_lock::{LOCKS, TargetLock};
use crate::plan::phases::{self, PARTITION, RECHECK};
use crate::plan::request::{DiskoRequest, LiveSystem, Request};
use crate::plan::{DiskoPlan, REFUSED};
use crate::process::Runner;
use crate::progress::{Phase, Reporter};

const DEFAULT_TARGET: &str = "/mnt";
/// The exit code when the layout of the disk cannot be made.
const NO_LAYOUT: u8 = 12;
/// What a layout takes on a laptop.
const SECONDS_OF_A_LAYOUT: f64 = 10.0;

/// Where to install, and what is known of the machine: from Calamares, or from an installation that it began.
pub fn target_and_machine(
    (args, disko): (&Args, Option<&mut DiskoRequest>),
    (globals, lists): (Option<&Globals>, &Lists),
    named: Option<PathBuf>,
    runner: &Runner,
    report: &Reporter,
) -> Result<(Target, InstallerFacts)> {
    let target = named.as_deref().unwrap_or(Path::new(DEFAULT_TARGET));
    let continues = || Target::new(target).is_mounted() && resume::begun(target).is_some();
    if let Some(disko) = disko
        && !continues()
    {
        let machine = InstallerFacts {
            disks: disko.disks.clone(),
            layout_sets_file_systems: true,
            ..InstallerFacts::before_partitioning()
        };
        let machine = machine.with_lasting_names(Path::new(BY_ID));
        disko.disks.clone_from(&machine.disks);
        return Ok((Target::new(target), machine));
    }
    if !args.installs() && globals.is_none() && named.is_none() && !Target::new(DEFAULT_TARGET).is_mounted() {
        // A check needs no target.
        return Ok((Target::new(DEFAULT_TARGET), InstallerFacts::before_partitioning()));
    }
    let named = named.unwrap_or_else(|| DEFAULT_TARGET.into());
    let defaults = Path::new(GENERATOR_DEFAULTS);
    let Some(globals) = globals else {
        let Some(begun) = resume::begun(&named) else {
            return Ok((Target::new(named), InstallerFacts::default()));
        };
        report.note("Continuing the installation that was begun on this disk.");
        if args.installs() {
            prepare::mount_again(runner, report, &named, &begun.mounts)?;
            prepare::start_swap(runner, report, &begun.machine.swap)?;
        }
        return Ok((Target::new(named), begun.machine));
    };
    if args.calamares == Some(Step::Check) {
        let machine = globals.machine_before_partitioning().with_kernel_of(defaults);
        return Ok((Target::new(named), machine));
    }
    let machine = globals
        .machine()
        .with_lasting_names(Path::new(BY_ID))
        .with_kernel_of(defaults);
    let target = globals.mounted()?;
    resume::keep(target, &machine, &globals.answers(lists))?;
    prepare::start_swap(runner, report, &machine.swap)?;
    Ok((Target::new(target), machine))
}

/// The lock of the target, where it is written to or read at length. The programs that `runner` starts inherit it.
pub fn lock(args: &Args, request: &Request, runner: &mut Runner) -> Result<Option<TargetLock>> {
    if args.disko.is_some() && args.installs() {
        // Where the layout will be mounted.
        fs::create_dir_all(request.target.root()).context("Failed to make the mount point")?;
    }
    let is_there = (request.disko.is_some() || !request.machine.before_partitioning) && request.target.root().is_dir();
    if args.calamares == Some(Step::Check) || args.check || !is_there {
        return Ok(None);
    }
    let lock = TargetLock::take(&request.target, Path::new(LOCKS))?;
    runner.share_lock(lock.file()?);
    Ok(Some(lock))
}

/// A failure after the disk was partitioned.
pub fn written(phase: &'static Phase) -> impl Fn(anyhow::Error) -> Failure {
    move |error| Failure {
        is_written: true,
        ..Failure::before(phase, NO_LAYOUT)(error)
    }
}

/// Makes `layout`, when a person has said that it is to be made.
pub fn ask_and_make(args: &Args, request: &Request, layout: &DiskoPlan, live: &LiveSystem<'_>) -> Result<(), Failure> {
    let asked = disk_questions::ask(args, layout, live.runner.interrupt(), live.report);
    let passphrase = asked.map_err(Failure::before(phases::CHECK, REFUSED))?;
    live.report.expect(RECHECK, phases::CHECK.seconds);
    live.report.expect(PARTITION, SECONDS_OF_A_LAYOUT);
    live.report.phase(PARTITION);
    make_layout(layout, &request.target, live, passphrase.as_ref()).map_err(written(PARTITION))
}

/// Turns `request` to what `layout` made and mounted, and remembers it: a later run continues from here. Gives the lock of what is
/// mounted.
pub fn use_layout(
    args: &Args,
    layout: &DiskoPlan,
    request: &mut Request,
    runner: &mut Runner,
) -> Result<Option<TargetLock>> {
    request.target = Target::new(request.target.root());
    request.machine.before_partitioning = false;
    request.machine.layout_sets_file_systems = layout.sets_file_systems;
    request.decisions = Decisions {
        no_boot_loader: request.decisions.no_boot_loader,
        ..Decisions::of_machine(request.target.root())
    };
    resume::keep(request.target.root(), &request.machine, &request.answers)?;
    lock(args, request, runner)
}
