//! `nix-cfg-install`: parses the command line, sets up the log, plans, applies, and gives the exit code.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::Parser;
use nix::sys::stat::{Mode, umask};

use super::explained_failure::{explain_failure, log_place};
use super::install_args::Args;
use super::prepared_target::{PreparedTarget, lock, lock_disks, make_disk, target_and_machine, use_layout, written};
use super::unattended::{self, Job};
use super::unattended_result::{self, Ending};
use super::{described_machine, disk_questions};
use crate::apply::{Failure, Installation, apply, next_steps};
use crate::calamares::caller;
use crate::calamares::globals::Globals;
use crate::diagnostic::{Diagnostic, Diagnostics, PlanProblem, ProgramProblem};
use crate::interrupt::{INTERRUPTED, Interrupt};
use crate::live::answers::{self, Answers, Lists, Places};
use crate::live::decisions::Decisions;
use crate::log_file::{LogFile, init_logging};
use crate::nix::environment::{Channels, environment};
use crate::plan::phases::{self, ACTIVATE, BUILD, COPY, INSPECT, KEEP, PARTITION, PLACE, RECHECK};
use crate::plan::request::{LiveSystem, Request};
use crate::plan::{self, Plan, REFUSED};
use crate::process::{NIX, Runner};
use crate::progress::{Format, Reporter};
use crate::settings::Settings;
use crate::store::live_image::StoreImage;
use crate::tree::source::{self, STANDARD_PLACES, Source};

const LIVE_LOGS: &str = "/var/log/nix-cfg-install";

/// The exit code when the command line or the settings are wrong.
const BAD_SETTINGS: u8 = 2;
/// The exit code when the ISO is damaged: that of copying from it.
const DAMAGED: u8 = 6;

/// Runs `nix-cfg-install`, and gives its exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    if args.describe {
        return described_machine::print();
    }
    let log = LogFile::default();
    let format = if args.calamares.is_some() {
        Format::Json
    } else {
        args.progress
    };
    let report = Reporter::new(format.renderer(), phases::ALL);
    report.phase(phases::SETTINGS);
    // Before signals only raise a flag: a pipe may have no other end.
    let settings = Settings::load(args.settings.as_deref());
    let (globals, outcome) = match start(&args, &log) {
        Ok((interrupt, globals)) => {
            let outcome = run(&args, settings, globals.as_ref(), interrupt, (&log, &report));
            (globals, outcome)
        }
        Err(error) => (None, Err(Failure::before(phases::SETTINGS, BAD_SETTINGS)(error))),
    };
    let ((code, text), ending) = match outcome {
        Ok((text, ending)) => ((0, text), ending),
        Err(failure) => {
            let explained = explain_failure(failure, &args, globals.as_ref(), &log, &report);
            (explained, Ending::default())
        }
    };
    report.done(code, &text);
    if args.answers_file.is_some() {
        let is_shown = args.installs() && code != INTERRUPTED;
        unattended_result::end((code, is_shown), &ending, &log, &report);
    }
    ExitCode::from(code)
}

/// Says what is wrong with the command line, or shows the help that it asks for. A program that reads events gets its last one.
fn refuse(error: &clap::Error) -> ExitCode {
    // What cannot be written is read by nobody.
    drop(error.print());
    if error.use_stderr() && wants_events(std::env::args_os()) {
        let report = Reporter::new(Format::Json.renderer(), phases::ALL);
        let error = error.to_string();
        report.problem(&PlanProblem::CommandLine { error }.into());
        report.done(BAD_SETTINGS, "The command line is wrong.");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(BAD_SETTINGS))
}

/// Whether a command line that cannot be parsed asks for events.
fn wants_events(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_calamares = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"--calamares");
    arguments
        .iter()
        .any(|argument| argument == "--progress=json" || is_calamares(argument))
        || arguments
            .windows(2)
            .any(|pair| pair[0] == "--progress" && pair[1] == "json")
}

/// Sets up the log and the signals, and reads what Calamares sends.
fn start(args: &Args, log: &LogFile) -> Result<(Interrupt, Option<Globals>)> {
    init_logging(args.verbose, log.clone())?;
    log::debug!("command line: {:?}", std::env::args_os().collect::<Vec<_>>());
    if let Some(path) = &args.log {
        log.also_to(path)?;
    }
    // Directories that are made on the target are for all of its users, whatever umask root has here. Programs inherit it.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let interrupt = Interrupt::on_signals()?;
    let globals = args.calamares.map(|_| caller::read_globals(&interrupt)).transpose()?;
    Ok((interrupt, globals))
}

/// Does what the command line asks for, and gives the last line that the user reads, and how an installation by an answers file ends.
fn run(
    args: &Args,
    settings: Result<Settings>,
    globals: Option<&Globals>,
    interrupt: Interrupt,
    (log, report): (&LogFile, &Reporter),
) -> Result<(String, Ending), Failure> {
    let stamp = stamp();
    let (settings, channels, answers) =
        settings_and_channels(settings, args, log, &stamp).map_err(Failure::before(phases::SETTINGS, BAD_SETTINGS))?;
    let mut runner = Runner::new(environment(&channels, args.online || settings.online), interrupt);
    if !runner.has(NIX) {
        return Err(Failure::before(phases::SETTINGS, REFUSED)(ProgramProblem::NoNix.into()));
    }
    let image = settings.read_image.unwrap_or(true).then(StoreImage::of_live_store);
    if !args.installs() {
        expect_no_installation(report);
    }
    report.phase(phases::SOURCE);
    let refused = |phase| Failure::before(phase, REFUSED);
    // Held until the end, as that of the target.
    let _disks = lock_disks(args, &mut runner).map_err(refused(phases::SOURCE))?;
    let job = unattended::job(args, &answers.2, &runner, report).map_err(refused(phases::SOURCE))?;
    let args = job.as_ref().map_or(args, |job| &job.args);
    let mut request = requested((args, answers), globals, settings, job.as_ref(), &runner, report)
        .map_err(refused(phases::SOURCE))?;
    let mut lock = lock(args, &request, &mut runner).map_err(refused(phases::SOURCE))?;
    let mut live = LiveSystem {
        runner: &runner,
        report,
        channels,
        image: image.flatten(),
    };
    let source = choose_source(&request).map_err(refused(phases::SOURCE))?;
    report.note(&source.reason);
    report.phase(phases::CHECK);
    let mut plan = plan::plan(&request, &live, &source).map_err(refused(phases::CHECK))?;
    if let Some(text) = checked(args, &plan, job.as_ref(), &live)? {
        return Ok((text, Ending::default()));
    }
    if let Some(made) = make_disk(args, &request, &mut plan, job.as_ref(), &live)? {
        let LiveSystem { channels, image, .. } = live;
        lock = use_layout(args, made, &mut request, &mut runner).map_err(written(PARTITION))?;
        live = LiveSystem {
            runner: &runner,
            report,
            channels,
            image,
        };
        report.phase(RECHECK);
        plan = plan::plan(&request, &live, &source).map_err(written(RECHECK))?;
    }
    let installation = Installation {
        request: &request,
        live: &live,
        log,
        passphrases: globals.map(Globals::passphrases).unwrap_or_default(),
        stamp,
        ahead: Mutex::default(),
        lock: lock.context("The target is gone").map_err(refused(phases::CHECK))?,
    };
    apply(&plan, &installation)?;
    for line in next_steps(&plan, &installation) {
        report.note(&line);
    }
    let ending = Ending::of(job.as_ref(), &plan, &installation).map_err(written(KEEP))?;
    let text = format!("Installed. The log is {}.{}", log_place(log), ending.text);
    Ok((text, ending))
}

/// Now, as a part of the names of files.
fn stamp() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    now.to_string().replace(':', "-")
}

/// Nothing follows the check, or only the reading of what would be copied.
fn expect_no_installation(report: &Reporter) {
    for phase in [PLACE, BUILD, COPY, ACTIVATE, INSPECT, KEEP] {
        report.expect(phase, 0.0);
    }
}

/// What is asked for on the command line, and by an answers file.
fn requested(
    (args, (mut answers, mut places, lists)): (&Args, Answered),
    globals: Option<&Globals>,
    settings: Settings,
    job: Option<&Job>,
    runner: &Runner,
    report: &Reporter,
) -> Result<Request> {
    if let Some(job) = job {
        answers.extend(answers::parse(&args.answers).0);
        places.extend(job.places());
    }
    let mut request = request((args, (answers, places, lists)), globals, settings, runner, report)?;
    job.map_or(Ok(()), |job| job.ask(&mut request))?;
    Ok(request)
}

/// The configuration that was named, or the one in the standard places.
fn choose_source(request: &Request) -> Result<Source> {
    let explicit = request.source.as_ref();
    let explicit = explicit.map(|(path, named_by)| (path.as_path(), *named_by));
    source::choose(explicit, &STANDARD_PLACES.map(Path::new), request.host.as_deref())
}

/// The last line of a run that only checks; `None` where an installation follows.
fn checked(args: &Args, plan: &Plan, job: Option<&Job>, live: &LiveSystem<'_>) -> Result<Option<String>, Failure> {
    let answered = job.map_or(Ok(()), |job| job.answers(plan, live.report));
    answered.map_err(Failure::before(phases::CHECK, REFUSED))?;
    if args.verify_store {
        live.report.phase(COPY);
        plan::verify(plan, live).map_err(Failure::before(COPY, DAMAGED))?;
        return Ok(Some(
            "The ISO has what the installation needs, and it is undamaged.".to_owned(),
        ));
    }
    let text = || "The configuration can be installed. Nothing was written.".to_owned();
    Ok((!args.installs()).then(text))
}

/// The settings of the ISO, the channels that they name, and the answers that they and the command line have.
fn settings_and_channels(
    settings: Result<Settings>,
    args: &Args,
    log: &LogFile,
    stamp: &str,
) -> Result<(Settings, Channels, Answered)> {
    let settings = settings?;
    if !nix::unistd::geteuid().is_root() {
        return Err(PlanProblem::NotRoot.into());
    }
    if !args.check
        && let Err(error) = log.also_to(&Path::new(LIVE_LOGS).join(format!("{stamp}.log")))
    {
        // The target's log is the one that counts.
        log::debug!("{error:#}");
    }
    let channels = Channels::find(settings.nixpkgs.as_deref(), settings.channels.as_deref())?;
    let lists = settings.choices.as_deref().map(Lists::read).unwrap_or_default();
    let (named, mut problems) = answers::parse(&args.answers);
    let mut places = settings.places.clone();
    places.retain(|key, _| !named.contains_key(key));
    let mut answers = settings.answers();
    answers.extend(named);
    problems.extend(answers::problems(&answers, &lists, &places).into_values());
    refuse_answers(problems)?;
    Ok((settings, channels, (answers, places, lists)))
}

/// Refuses answers with these problems. Where all of them are values that the lists do not have, the plan does, unless the
/// configuration decides them.
fn refuse_answers(problems: Vec<Diagnostic>) -> Result<()> {
    if problems.iter().all(answers::is_unknown_value) {
        return Ok(());
    }
    Err(Diagnostics(problems).into())
}

/// Answers, where the settings have them, and what there was to choose from.
type Answered = (Answers, Places, Lists);

/// Puts together what was asked for. An installation that Calamares began and a person finishes is mounted again.
fn request(
    (args, (mut answers, mut places, lists)): (&Args, Answered),
    globals: Option<&Globals>,
    settings: Settings,
    runner: &Runner,
    report: &Reporter,
) -> Result<Request> {
    let named = args.target.clone().or(settings.target.clone());
    let mut disko = disk_questions::request(args)?;
    let known = (globals, &lists);
    let prepared = target_and_machine((args, disko.as_mut()), known, named, runner, report)?;
    let PreparedTarget { target, machine, begun } = prepared;
    let of_machine = || Decisions {
        no_boot_loader: machine.no_boot_loader,
        ..Decisions::of_machine(target.root())
    };
    let mut answered_now = globals.is_some() || !args.answers.is_empty();
    if let Some(globals) = globals {
        let typed = globals.answers(&lists);
        places.retain(|key, _| !typed.contains_key(key));
        answers.extend(typed);
        refuse_answers(answers::problems(&answers, &lists, &places).into_values().collect())?;
    } else if let Some(begun) = begun {
        // A page overrides the settings, and a flag both.
        answered_now = true;
        answers = settings.answers();
        places.retain(|key, _| !begun.contains_key(key));
        answers.extend(begun);
        answers.extend(answers::parse(&args.answers).0);
    }
    let source = args.source.clone().map(|path| (path, "--source"));
    let host = args.host.clone().or(machine.host.clone()).or(settings.host.clone());
    let of_settings = settings.hardware_config_of(host.as_deref());
    Ok(Request {
        decisions: globals.map_or_else(of_machine, |globals| globals.decisions(target.root())),
        source: source.or(settings.source.map(|path| (path, "the settings"))),
        host,
        host_of_iso: settings.host,
        hardware_config: args.hardware_config.clone().or(of_settings),
        disko,
        plain_layout: None,
        extra_files: args.extra_files.clone().or(settings.extra_files),
        not_covered: settings.not_covered,
        answers,
        answer_places: places,
        answered_now,
        lists,
        offline_rebuild: settings.offline_rebuild,
        must_be_mounted: !args.not_mounted,
        online: args.online || settings.online,
        no_bootloader: args.no_bootloader || settings.no_bootloader,
        target,
        machine,
    })
}
