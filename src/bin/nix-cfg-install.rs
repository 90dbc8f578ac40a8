//! Parses, sets up the log, runs, and gives the exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use clap::Parser;
use nix::sys::stat::{Mode, umask};
use nix_cfg_install::apply;
use nix_cfg_install::calamares::caller;
use nix_cfg_install::calamares::dialog::dialog;
use nix_cfg_install::calamares::globals::Globals;
use nix_cfg_install::cli::install::{Args, Step};
use nix_cfg_install::diagnostic::{Diagnostic, Diagnostics};
use nix_cfg_install::interrupt::{Interrupt, Interrupted};
use nix_cfg_install::live::decisions::Decisions;
use nix_cfg_install::live::installer_facts::{BY_ID, GENERATOR_DEFAULTS, InstallerFacts};
use nix_cfg_install::live::resume;
use nix_cfg_install::live::target::Target;
use nix_cfg_install::live::target_lock::TargetLock;
use nix_cfg_install::log_file::{LogFile, init_logging};
use nix_cfg_install::nix::environment::{Channels, environment};
use nix_cfg_install::nix::explain::{UNKNOWN, explain};
use nix_cfg_install::plan;
use nix_cfg_install::plan::job::Job;
use nix_cfg_install::process::Runner;
use nix_cfg_install::progress::{Format, Phase, Reporter};
use nix_cfg_install::settings::Settings;

const DEFAULT_TARGET: &str = "/mnt";
const LIVE_LOGS: &str = "/var/log/nix-cfg-install";

fn main() -> ExitCode {
    let args = Args::parse();
    let log = LogFile::default();
    let asked_by_calamares = args.calamares.is_some();
    let renderer = if asked_by_calamares {
        Format::Json
    } else {
        args.progress
    };
    let report = Reporter::new(renderer.renderer());
    let mut globals = None;
    match run(&args, &mut globals, &log, &report) {
        Ok(text) => {
            report.done(0, &text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let (problems, code) = explained(&error, &report);
            if asked_by_calamares && code != INTERRUPTED {
                let next = globals.as_ref().and_then(Globals::next);
                let dialog = dialog(report.current_phase(), &problems, next, log.live_path().as_deref());
                report.failure(&dialog.title, &dialog.details);
            }
            ExitCode::from(fail(&error, code, &log, &report))
        }
    }
}

/// The exit code of a run that was interrupted.
const INTERRUPTED: u8 = 130;

/// `globals` is left behind for the words about a failure.
fn run(args: &Args, globals: &mut Option<Globals>, log: &LogFile, report: &Reporter) -> Result<String> {
    init_logging(args.verbose, log.clone())?;
    log::debug!("command line: {:?}", std::env::args_os().collect::<Vec<_>>());
    let stamp = apply::stamp(SystemTime::now());
    if let Some(path) = &args.log {
        log.also_to(path)?;
    }
    // The folders that are made on the target are for everybody there, whatever root's own are here.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    report.phase(Phase::Settings);
    let interrupt = Interrupt::on_signals()?;
    if args.calamares.is_some() {
        *globals = Some(caller::greet(&interrupt)?);
    }
    let globals = globals.as_ref();
    let settings = Settings::load(args.settings.as_deref())?;
    require_root()?;
    if !args.check
        && let Err(error) = log.also_to(&Path::new(LIVE_LOGS).join(format!("{stamp}.log")))
    {
        // The target's log is the one that counts.
        log::debug!("{error:#}");
    }
    let online = args.online || settings.online;
    let channels = Channels::find(settings.nixpkgs.as_deref(), settings.channels.as_deref())?;
    let mut runner = Runner::new(environment(&channels, online), interrupt);
    report.phase(Phase::Source);
    let named = args.target.clone().or(settings.target);
    let (target, machine) = target_and_machine(args, globals, named, &runner, report)?;
    // Held until the end.
    let lock = lock(args, &target, &machine)?;
    if let Some(lock) = &lock {
        runner.share_lock(lock.file()?);
    }
    let named = |flag: Option<PathBuf>, setting: Option<PathBuf>| {
        flag.map(|path| (path, "--source"))
            .or(setting.map(|path| (path, "the settings")))
    };
    let job = Job {
        decisions: globals.map_or_else(
            || Decisions {
                no_boot_loader: machine.no_boot_loader,
                ..Decisions::of_machine(target.root())
            },
            |globals| globals.decisions(target.root()),
        ),
        target,
        source: named(args.source.clone(), settings.source),
        host: args.host.clone().or(machine.host.clone()).or(settings.host),
        hardware_config: args.hardware_config.clone().or(settings.hardware_config),
        channels,
        not_covered: settings.not_covered,
        offline_rebuild: settings.offline_rebuild,
        machine,
        passphrases: globals.map(Globals::passphrases).unwrap_or_default(),
        must_be_mounted: !args.not_mounted,
        online,
        no_bootloader: args.no_bootloader || settings.no_bootloader,
        read_image: settings.read_image.unwrap_or(true),
        stamp,
        runner: &runner,
        report,
        log,
    };
    carry_out(args, &job)
}

/// Does what was asked for, and gives the last word.
fn carry_out(args: &Args, job: &Job<'_>) -> Result<String> {
    if args.verify_store {
        plan::verify_store(job)?;
        return Ok("The medium has what the installation needs, and it is undamaged.".to_owned());
    }
    if args.check || args.calamares == Some(Step::Check) {
        plan::check_only(job)?;
        return Ok("The configuration can be installed. Nothing was written.".to_owned());
    }
    apply::install(job)?;
    Ok(format!("Installed. The log is {}.", log_place(job.log)))
}

/// The lock of the target, where it is written to or read at length.
fn lock(args: &Args, target: &Target, machine: &InstallerFacts) -> Result<Option<TargetLock>> {
    if args.check || machine.before_partitioning || !target.root().is_dir() {
        return Ok(None);
    }
    TargetLock::take(target).map(Some)
}

/// Where to install, and what is known of the machine: from Calamares, or from what it began and a person finishes.
fn target_and_machine(
    args: &Args,
    globals: Option<&Globals>,
    named: Option<PathBuf>,
    runner: &Runner,
    report: &Reporter,
) -> Result<(Target, InstallerFacts)> {
    let looks = args.check || args.verify_store;
    if looks && globals.is_none() && named.is_none() && !Target::new(DEFAULT_TARGET).is_mounted() {
        // A look needs no target.
        return Ok((Target::new(DEFAULT_TARGET), InstallerFacts::before_partitioning()));
    }
    let named = named.unwrap_or_else(|| DEFAULT_TARGET.into());
    let defaults = Path::new(GENERATOR_DEFAULTS);
    match (globals, args.calamares) {
        (Some(globals), Some(Step::Install)) => {
            let machine = globals
                .machine()
                .with_lasting_names(Path::new(BY_ID))
                .with_kernel_of(defaults);
            let target = globals.mounted()?;
            resume::keep(target, &machine)?;
            Ok((Target::new(target), machine))
        }
        (Some(globals), _) => {
            let machine = globals.machine_before_partitioning().with_kernel_of(defaults);
            Ok((Target::new(named), machine))
        }
        (None, _) => {
            let machine = resume::recall(runner, report, &named)?.unwrap_or_default();
            Ok((Target::new(named), machine))
        }
    }
}

fn require_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Diagnostic::error("not-root", "Only root can install a system")
        .remedy("Run the same command with sudo.")
        .into())
}

fn log_place(log: &LogFile) -> String {
    log.path()
        .map_or_else(|| "not written".to_owned(), |path| path.display().to_string())
}

/// What went wrong, told to the user, and the exit code.
fn explained(error: &anyhow::Error, report: &Reporter) -> (Vec<Diagnostic>, u8) {
    let phase = report.current_phase();
    log::debug!("failed in {phase:?}: {error:?}");
    if error.is::<Interrupted>() {
        return (Vec::new(), INTERRUPTED);
    }
    let problems = if let Some(Diagnostics(problems)) = error.downcast_ref() {
        problems.clone()
    } else if let Some(problem) = error.downcast_ref::<Diagnostic>() {
        vec![problem.clone()]
    } else {
        // A full or read-only disk has an explanation, whichever program or call met it.
        let explained = explain(&format!("error: {error:#}"), None);
        vec![if explained.code == UNKNOWN {
            // These are no program's words.
            Diagnostic::error(UNKNOWN, format!("{error:#}"))
        } else {
            explained
        }]
    };
    for problem in &problems {
        report.problem(problem);
    }
    (problems, phase.exit_code())
}

/// Says how it ended.
fn fail(error: &anyhow::Error, code: u8, log: &LogFile, report: &Reporter) -> u8 {
    let phase = report.current_phase();
    let text = if code == INTERRUPTED {
        format!("Stopped: {error}.")
    } else {
        let next = match phase {
            Phase::Settings | Phase::Source | Phase::Check => "Nothing was written to the target.",
            _ => "When that is mended, the same command goes on from here.",
        };
        format!("{} failed. {next} Log: {}", phase.title(), log_place(log))
    };
    report.done(code, &text);
    code
}
