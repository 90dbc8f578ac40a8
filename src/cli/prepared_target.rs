//! The target of a run: where it is, what is known of its machine, its lock, and the layout for disko that is made first.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::disk_questions;
use super::install_args::{Args, Step};
use super::unattended::Job;
use crate::apply::{Failure, Written, build_script, make_layout, plain_layout, prepare, take_down};
use crate::calamares::globals::Globals;
use crate::diagnostic::{Diagnostics, DiskoProblem};
use crate::live::answers::{Answers, Lists};
use crate::live::decisions::Decisions;
use crate::live::disk_use::swaps;
use crate::live::installer_facts::{BY_ID, GENERATOR_DEFAULTS, InstallerFacts};
use crate::live::resume::{self, Begun, BegunLayout};
use crate::live::target::{Kept, Target};
use crate::live::target_lock::{LOCKS, TargetLock};
use crate::log_file::LogFile;
use crate::plan::phases::{self, PARTITION, RECHECK};
use crate::plan::request::{DiskoRequest, LiveSystem, Request};
use crate::plan::{DiskoPlan, Plan, REFUSED};
use crate::process::Runner;
use crate::progress::{Phase, Reporter};

const DEFAULT_TARGET: &str = "/mnt";
/// The exit code when the layout of the disk cannot be made.
const NO_LAYOUT: u8 = 12;
/// What a layout takes on a laptop.
const SECONDS_OF_A_LAYOUT: f64 = 10.0;

/// Where to install, and what is known of it.
pub struct PreparedTarget {
    pub target: Target,
    pub machine: InstallerFacts,
    /// What was answered when this installation was begun.
    pub begun: Option<Answers>,
}

impl PreparedTarget {
    fn new(target: impl Into<PathBuf>, machine: InstallerFacts) -> Self {
        Self {
            target: Target::new(target),
            machine,
            begun: None,
        }
    }
}

/// Where to install, and what is known of the machine: from Calamares, or from an installation that it or disko began.
pub fn target_and_machine(
    (args, disko): (&Args, Option<&mut DiskoRequest>),
    (globals, lists, goes_on): (Option<&Globals>, &Lists, bool),
    named: Option<PathBuf>,
    runner: &Runner,
    report: &Reporter,
) -> Result<PreparedTarget> {
    let is_named = named.is_some();
    let named = std::path::absolute(named.unwrap_or_else(|| DEFAULT_TARGET.into()))?;
    if let Some(disko) = disko {
        if let Some(begun) = begun_with((args, goes_on), disko, &named, runner)? {
            return go_on(args, &named, begun, runner, report);
        }
        let known = globals.map(Globals::machine_of_layout);
        let machine = InstallerFacts {
            disks: disko.disks.clone(),
            layout_sets_file_systems: true,
            ..known.unwrap_or_else(InstallerFacts::before_partitioning)
        };
        let machine = machine.with_lasting_names(Path::new(BY_ID));
        disko.disks.clone_from(&machine.disks);
        return Ok(PreparedTarget::new(named, machine));
    }
    if !args.installs() && globals.is_none() && !is_named && !Target::new(DEFAULT_TARGET).is_mounted() {
        // A check needs no target.
        return Ok(PreparedTarget::new(
            DEFAULT_TARGET,
            InstallerFacts::before_partitioning(),
        ));
    }
    let defaults = Path::new(GENERATOR_DEFAULTS);
    let Some(globals) = globals else {
        // An answers file says which disk it is: what is not mounted may have been another one.
        let is_meant = |_: &Begun| goes_on && (args.answers_file.is_none() || Target::new(&named).is_mounted());
        return match resume::begun(&named).filter(Begun::is_ready).filter(is_meant) {
            Some(begun) => go_on(args, &named, begun, runner, report),
            None => Ok(PreparedTarget::new(named, InstallerFacts::default())),
        };
    };
    if args.calamares == Some(Step::Check) {
        let machine = globals.machine_before_partitioning().with_kernel_of(defaults);
        return Ok(PreparedTarget::new(named, machine));
    }
    let machine = globals
        .machine()
        .with_lasting_names(Path::new(BY_ID))
        .with_kernel_of(defaults);
    let target = globals.mounted()?;
    resume::keep(target, &machine, &globals.answers(lists), None)?;
    prepare::start_swap(runner, report, &machine.swap)?;
    Ok(PreparedTarget::new(target, machine))
}

/// Continues what was begun.
fn go_on(args: &Args, target: &Path, begun: Begun, runner: &Runner, report: &Reporter) -> Result<PreparedTarget> {
    report.note("Continuing the installation that was begun on this disk.");
    if args.installs() {
        prepare::mount_again(runner, report, target, &begun.mounts)?;
        prepare::start_swap(runner, report, &begun.machine.swap)?;
    }
    Ok(PreparedTarget {
        begun: Some(begun.answers),
        ..PreparedTarget::new(target, begun.machine)
    })
}

/// The installation that was begun at `target` with the layout that is asked for, and is mounted there. What a run mounted that was
/// killed while it made a layout is unmounted.
///
/// # Errors
/// [`DiskoProblem::BegunOtherwise`].
fn begun_with(
    (args, goes_on): (&Args, bool),
    disko: &DiskoRequest,
    target: &Path,
    runner: &Runner,
) -> Result<Option<Begun>> {
    let Some(begun) = resume::begun(target) else {
        return Ok(None);
    };
    let Some(layout) = &begun.layout else { return Ok(None) };
    if !layout.is_made || !goes_on {
        if args.installs() {
            take_down(runner, target, &layout.swaps);
            resume::forget()?;
        }
        return Ok(None);
    }
    if !begun.is_mounted() {
        return Ok(None);
    }
    if layout.is_meant(disko.mode, &disko.disks, args.host.as_deref()) {
        return Ok(Some(begun));
    }
    let target = target.to_owned();
    let now = BegunLayout {
        mode: disko.mode,
        disks: disko.disks.clone(),
        host: args.host.clone(),
        ..layout.clone()
    };
    let ways = [layout.command_line(), now.command_line()];
    Err(DiskoProblem::BegunOtherwise { target, ways }.into())
}

/// The lock of the machine's disks, where one may be partitioned. The programs that `runner` starts inherit it.
pub fn lock_disks(args: &Args, runner: &mut Runner) -> Result<Option<TargetLock>> {
    // A check of an answers file mounts what would be updated.
    if args.answers_file.is_none() && (args.disko.is_none() || !args.installs()) {
        return Ok(None);
    }
    let lock = TargetLock::of_disks(Path::new(LOCKS))?;
    runner.share_lock(lock.file()?);
    Ok(Some(lock))
}

/// The lock of the target, where it is written to or read at length. The programs that `runner` starts inherit it.
pub fn lock(args: &Args, request: &Request, runner: &mut Runner) -> Result<Option<TargetLock>> {
    let is_there = !request.machine.before_partitioning && request.target.root().is_dir();
    // One that is mounted again before it is written to is locked then.
    let is_looked_at = request.update.as_ref().is_some_and(|update| update.is_looked_at);
    if args.calamares == Some(Step::Check) || args.check || is_looked_at || !is_there {
        return Ok(None);
    }
    // The running machine is at /mnt only in this program's mount namespace; a person knows it as /.
    let is_running = request.update.as_ref().is_some_and(|update| update.running.is_some());
    let shown = if is_running {
        Path::new("/")
    } else {
        request.target.root()
    };
    let lock = TargetLock::take(&request.target, shown, Path::new(LOCKS))?;
    runner.share_lock(lock.file()?);
    Ok(Some(lock))
}

/// A failure after the disk was partitioned.
pub fn written(phase: &'static Phase) -> impl Fn(anyhow::Error) -> Failure {
    move |error| Failure {
        written: Written::Target,
        ..Failure::before(phase, NO_LAYOUT)(error)
    }
}

/// What was made and mounted.
pub struct MadeLayout {
    /// Whether the configuration has its file systems.
    sets_file_systems: bool,
    /// With disko.
    begun: Option<BegunLayout>,
}

/// Makes and mounts the disk, where that was asked for; that of an answers file is marked.
pub fn make_disk(
    args: &Args,
    request: &Request,
    plan: &mut Plan,
    job: Option<&Job>,
    live: &LiveSystem<'_>,
) -> Result<Option<MadeLayout>, Failure> {
    if let (Some(layout), Some(disko)) = (plan.disko.take(), &request.disko) {
        let begun = ask_and_make(args, request, (disko, &layout), live)?;
        let marked = job.map_or(Ok(()), |job| job.mark_made(live.runner));
        marked.map_err(written(PARTITION))?;
        return Ok(Some(MadeLayout {
            sets_file_systems: layout.sets_file_systems,
            begun: Some(begun),
        }));
    }
    if let Some(updated) = job.and_then(|job| job.updated.as_ref()) {
        live.report.expect(RECHECK, phases::CHECK.seconds);
        let mounted = updated.mount_for_writing();
        mounted.map_err(Failure::before(phases::CHECK, REFUSED))?;
        return Ok(Some(MadeLayout {
            sets_file_systems: false,
            begun: None,
        }));
    }
    let Some(layout) = &request.plain_layout else {
        return Ok(None);
    };
    live.report.expect(RECHECK, phases::CHECK.seconds);
    live.report.expect(PARTITION, SECONDS_OF_A_LAYOUT);
    live.report.phase(PARTITION);
    plain_layout::mounted_at(layout, request.target.root(), live.runner)
        .map_err(Failure::before(PARTITION, REFUSED))?;
    let is_kept = layout.is_made && plain_layout::has_passphrase(layout, live.runner).map_err(written(PARTITION))?;
    if layout.is_made && !is_kept {
        live.report
            .note("The unfinished installation was encrypted with another passphrase: the disk is made again.");
    }
    if !is_kept {
        plain_layout::make(layout, live, request.target.root()).map_err(|error| Failure {
            written: Written::Disks,
            ..Failure::before(PARTITION, NO_LAYOUT)(error)
        })?;
    }
    let esp = plan.facts.boot.as_ref().map_or("/boot", |boot| boot.esp.as_str());
    plain_layout::mount(layout, live, request.target.root(), Path::new(esp)).map_err(written(PARTITION))?;
    Ok(Some(MadeLayout {
        sets_file_systems: false,
        begun: None,
    }))
}

/// Makes `layout`, when a person has said that it is to be made, and remembers that. Returns what is to be remembered from then on.
fn ask_and_make(
    args: &Args,
    request: &Request,
    (disko, layout): (&DiskoRequest, &DiskoPlan),
    live: &LiveSystem<'_>,
) -> Result<BegunLayout, Failure> {
    let refused = |error| Failure::before(PARTITION, REFUSED)(error);
    let target = request.target.root();
    live.report.expect(RECHECK, phases::CHECK.seconds);
    live.report.expect(PARTITION, SECONDS_OF_A_LAYOUT);
    live.report.phase(PARTITION);
    build_script(layout, live).map_err(Failure::before(PARTITION, NO_LAYOUT))?;
    let given = disko.passphrase.as_ref();
    let typed = disk_questions::ask(args, layout, given.is_some(), live.runner.interrupt(), live.report);
    let typed = typed.map_err(refused)?;
    let outdated = layout.outdated();
    if !outdated.is_empty() {
        return Err(refused(Diagnostics(outdated).into()));
    }
    let kept = BegunLayout {
        mode: layout.mode,
        disks: layout
            .disks
            .iter()
            .map(|disk| (disk.name.clone(), disk.device.clone()))
            .collect(),
        host: request.host.clone(),
        swaps: swaps(Path::new("/")),
        is_made: false,
    };
    resume::keep(target, &request.machine, &request.answers, Some(kept.clone())).map_err(refused)?;
    make_layout(layout, target, live, typed.as_ref().or(given)).map_err(|error| {
        // Where it cannot be removed, the next run unmounts once more.
        drop(resume::forget());
        Failure {
            written: Written::Disks,
            ..Failure::before(PARTITION, NO_LAYOUT)(error)
        }
    })?;
    Ok(BegunLayout { is_made: true, ..kept })
}

/// Turns `request` to what was made and mounted, and remembers it: a later run continues from here. From now on the log is written there
/// too, by its stamp, where the plan keeps logs. Returns the lock of what is mounted.
pub fn use_layout(
    (args, report): (&Args, &Reporter),
    made: MadeLayout,
    request: &mut Request,
    runner: &mut Runner,
    (log, kept_at, stamp): (&LogFile, &Kept, &str),
) -> Result<Option<TargetLock>> {
    let target = Target::new(request.target.root());
    if let Err(error) = log.also_to(&target.keeping(kept_at).log(stamp)) {
        // A target that cannot be written is explained by the check that follows; without a log nothing is placed there.
        log::debug!("{error:#}");
    }
    if let Some(update) = &mut request.update {
        update.is_looked_at = false;
        return lock(args, request, runner);
    }
    request.target = target;
    request.machine.before_partitioning = false;
    request.machine.layout_sets_file_systems = made.sets_file_systems;
    request.machine.host.clone_from(&request.host);
    // What a person decided stays; what was known of the disk has changed.
    let of_machine = Decisions::of_machine(request.target.root());
    request.decisions = Decisions {
        root_encrypted: of_machine.root_encrypted,
        largest_disk: of_machine.largest_disk,
        boot_disk: of_machine.boot_disk,
        ..std::mem::take(&mut request.decisions)
    };
    resume::keep(request.target.root(), &request.machine, &request.answers, made.begun)?;
    report.mounted(request.target.root());
    lock(args, request, runner)
}
