//! `nix-cfg-install`: parses the command line, sets up the log, plans, applies, and returns the exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use nix::sys::stat::{Mode, umask};

use super::explained_failure::{explain_failure, log_place};
use super::install_args::{Args, Command};
use super::prepared_target::{lock, lock_disks, make_disk, use_layout, written};
use super::requested::{Answered, choose_source, request, settings_and_channels};
use super::unattended::{self, Job};
use super::unattended_result::{self, Ending};
use super::{chosen_disks, printed, status_command, update_command};
use crate::apply::{Failure, Installation, Left, apply, next_steps};
use crate::cache::Cache;
use crate::calamares::caller;
use crate::calamares::globals::Globals;
use crate::diagnostic::{CacheProblem, PlanProblem, ProgramProblem};
use crate::interrupt::{INTERRUPTED, Interrupt};
use crate::log_file::{LogFile, init_logging, stamp};
use crate::nix::environment::{Network, environment};
use crate::plan::phases::{self, ACTIVATE, BUILD, COPY, INSPECT, KEEP, PARTITION, PLACE, RECHECK, SOURCE};
use crate::plan::request::{LiveSystem, Request};
use crate::plan::{self, Plan, REFUSED};
use crate::process::{NIX, Runner};
use crate::progress::{Format, Reporter};
use crate::settings::Settings;
use crate::store::live_image::StoreImage;

/// The exit code when the command line or the settings are wrong.
const BAD_SETTINGS: u8 = 2;
/// The exit code when the ISO is damaged: that of copying from it.
const DAMAGED: u8 = 6;

/// Runs `nix-cfg-install`, and returns its exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    if args.describe {
        return printed::print(printed::Printed::Machine);
    }
    if args.list_disks {
        return printed::print(printed::Printed::Disks);
    }
    if matches!(args.command, Some(Command::Status)) {
        return status_command::print();
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
            let outcome = match &args.command {
                Some(Command::Update(wanted)) => update_command::run(&args, wanted, &interrupt, (&log, &report))
                    .map(|text| (text, Ending::default())),
                _ => run(&args, settings, globals.as_ref(), interrupt, (&log, &report)),
            };
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
    // A check writes nothing, and who reads its result is there.
    if args.answers_file.is_some() && args.installs() {
        unattended_result::end((code, code != INTERRUPTED), &ending, &log, &report);
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

/// Does what the command line asks for, and returns the last line that the user reads, and how an installation by an answers file ends.
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
    let network = Network::of(args.online || settings.online);
    let mut runner = Runner::new(environment(&channels, network), interrupt);
    if !runner.has(NIX) {
        return Err(Failure::before(phases::SETTINGS, REFUSED)(ProgramProblem::NoNix.into()));
    }
    let image = settings.read_image.unwrap_or(true).then(StoreImage::of_live_store);
    expect_what_is_done(args, report);
    report.phase(SOURCE);
    let refused = |phase| Failure::before(phase, REFUSED);
    let chosen = chosen_disks::arguments(args, globals, &runner).map_err(refused(SOURCE))?;
    let args = chosen.as_ref().unwrap_or(args);
    // Held until the end, as that of the target.
    let _disks = lock_disks(args, &mut runner).map_err(refused(SOURCE))?;
    let job = unattended::job(args, &answers.lists, &runner, report).map_err(refused(SOURCE))?;
    let args = job.as_ref().map_or(args, |job| &job.args);
    let cache = chosen_cache(args, &settings).map_err(refused(SOURCE))?;
    runner.set_environment(environment(&channels, cache.as_ref().map_or(network, Network::Only)));
    let from = (job.as_ref(), cache.as_ref());
    let mut request = requested((args, answers), globals, settings, from, &runner, report).map_err(refused(SOURCE))?;
    let mut lock = lock(args, &request, &mut runner).map_err(refused(SOURCE))?;
    let mut live = LiveSystem {
        runner: &runner,
        report,
        channels,
        image: image.flatten(),
        cache: cache.as_ref(),
    };
    let source = choose_source(&request, report).map_err(refused(SOURCE))?;
    report.phase(phases::CHECK);
    ask(cache.as_ref(), &runner).map_err(refused(phases::CHECK))?;
    let mut plan = plan::plan(&request, &live, &source).map_err(refused(phases::CHECK))?;
    if let Some(text) = checked(args, &plan, (job.as_ref(), globals), &live)? {
        return Ok((text, Ending::default()));
    }
    if let Some(made) = make_disk(args, &request, &mut plan, job.as_ref(), &live)? {
        let LiveSystem { channels, image, .. } = live;
        let log_to = (log, &plan.kept_at, stamp.as_str());
        lock = use_layout((args, report), made, &mut request, &mut runner, log_to).map_err(written(PARTITION))?;
        live = LiveSystem {
            runner: &runner,
            report,
            channels,
            image,
            cache: cache.as_ref(),
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
        left: Left::default(),
        lock: lock.context("The target is gone").map_err(refused(phases::CHECK))?,
    };
    carry_out(job.as_ref(), &plan, &installation)
}

/// Installs, and returns the last line.
fn carry_out(job: Option<&Job>, plan: &Plan, installation: &Installation<'_>) -> Result<(String, Ending), Failure> {
    apply(plan, installation)?;
    for line in next_steps(plan, installation) {
        installation.live.report.note(&line);
    }
    let ending = Ending::of(job, plan, installation).map_err(written(KEEP))?;
    let done = job.and_then(|job| job.updated.as_ref());
    let text = format!(
        "{}. The log is {}.{}",
        done.map_or("Installed", |_| "Updated"),
        log_place(installation.log, false),
        ending.text
    );
    Ok((text, ending))
}

/// The binary cache to install from, where one is named.
fn chosen_cache(args: &Args, settings: &Settings) -> Result<Option<Cache>> {
    let first = |one: &[String], other: &[String]| if one.is_empty() { other } else { one }.to_vec();
    let urls = first(&args.medium, &settings.medium);
    let public_keys = first(&args.public_keys, &settings.public_keys);
    match urls.first() {
        None => Ok(None),
        Some(url) if public_keys.is_empty() => Err(CacheProblem::NoKey { url: url.clone() }.into()),
        Some(_) => Ok(Some(Cache { urls, public_keys })),
    }
}

/// Asks whether the cache answers: that it does not is said before a long evaluation, which can need it. From then on, it is waited for.
fn ask(cache: Option<&Cache>, runner: &Runner) -> Result<()> {
    cache.map_or(Ok(()), |cache| cache.server(runner).map(drop))
}

/// Where nothing is installed, nothing follows the check, or only the reading of what would be copied.
fn expect_what_is_done(args: &Args, report: &Reporter) {
    if args.installs() {
        return;
    }
    for phase in [PLACE, BUILD, COPY, ACTIVATE, INSPECT, KEEP] {
        report.expect(phase, 0.0);
    }
}

/// What is asked for on the command line, and by an answers file.
fn requested(
    (args, mut answered): (&Args, Answered),
    globals: Option<&Globals>,
    settings: Settings,
    (job, cache): (Option<&Job>, Option<&Cache>),
    runner: &Runner,
    report: &Reporter,
) -> Result<Request> {
    if let Some(job) = job {
        answered.all.extend(job.entry.set.clone());
        answered.named.extend(job.entry.set.clone());
        answered.places.extend(job.places());
    }
    let goes_on = job.is_none_or(Job::goes_on);
    let mut request = request((args, answered), (globals, goes_on), settings, runner, report)?;
    // Nothing else is asked then, whatever the settings have: what it lacks is missing.
    request.online &= cache.is_none();
    job.map_or(Ok(()), |job| job.ask(&mut request, runner))?;
    Ok(request)
}

/// The last line of a run that only checks; `None` where an installation follows.
fn checked(
    args: &Args,
    plan: &Plan,
    (job, globals): (Option<&Job>, Option<&Globals>),
    live: &LiveSystem<'_>,
) -> Result<Option<String>, Failure> {
    let answered = job.map_or(Ok(()), |job| job.answers(plan, live.report));
    answered.map_err(Failure::before(phases::CHECK, REFUSED))?;
    if args.verify_store {
        live.report.phase(COPY);
        plan::verify(plan, live).map_err(Failure::before(COPY, DAMAGED))?;
        return Ok(Some(
            "The ISO has what the installation needs, and it is undamaged.".to_owned(),
        ));
    }
    if !args.installs() {
        let text = if job.is_some_and(|job| job.updated.is_some()) {
            "This machine can be updated. Nothing was written."
        } else {
            "The configuration can be installed. Nothing was written."
        };
        return Ok(Some(text.to_owned()));
    }
    // Once more: the check took its time.
    let confirmed = globals.map_or(Ok(()), |globals| {
        chosen_disks::confirmed(globals, Some(plan), live.runner)
    });
    confirmed.map_err(Failure::before(phases::CHECK, REFUSED))?;
    Ok(None)
}
