//! `nix-cfg-install update`: enters the live system of an ISO on the running machine, and goes on as an installation does.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use nix::unistd::geteuid;

use super::explained_failure::log_place;
use super::install_args::Args;
use super::prepared_target::lock;
use super::requested::{choose_source, request, settings_and_channels};
use super::update_args::UpdateArgs;
use crate::apply::{Failure, Installation, Left, NOT_BUILT, apply, preview};
use crate::diagnostic::{PlanProblem, ProgramProblem, TargetProblem};
use crate::interrupt::Interrupt;
use crate::live::earlier_receipt::Receipt;
use crate::live::installation_medium;
use crate::live::mounts;
use crate::live::running_machine::{MACHINE, RunningMachine, SYSTEM_PROFILE, make_build_users};
use crate::live::target::Target;
use crate::live::update_medium::LiveSystemOfIso;
use crate::log_file::{LogFile, stamp};
use crate::nix::environment::{Channels, Network, environment};
use crate::plan::request::{LiveSystem, RunningUpdate, Update};
use crate::plan::{self, REFUSED, phases};
use crate::process::{NIX, Runner};
use crate::progress::Reporter;
use crate::settings::Settings;
use crate::store::live_image::StoreImage;
use crate::store::update_store::register;

/// Updates this machine, and returns the last line that the user reads.
pub(super) fn run(
    args: &Args,
    wanted: &UpdateArgs,
    interrupt: &Interrupt,
    (log, report): (&LogFile, &Reporter),
) -> Result<String, Failure> {
    let refused = Failure::before(phases::SOURCE, REFUSED);
    let stamp = stamp();
    report.phase(phases::SOURCE);
    let machine_runner = Runner::new(environment(&Channels::default(), Network::None), interrupt.clone());
    let entered = enter(wanted, &machine_runner, report).map_err(&refused)?;
    let (mut update, live) = entered;
    // From here on, paths are those of the live system.
    let args = Args {
        command: None,
        target: Some(MACHINE.into()),
        host: wanted.host.clone().or(update.receipt.host.clone()),
        check: wanted.dry_run,
        ..args.clone()
    };
    // The machine's own log is the only one that stays.
    let unlogged = Args {
        check: true,
        ..args.clone()
    };
    let (settings, channels, answered) =
        settings_and_channels(Settings::load(None), &unlogged, log, &stamp).map_err(&refused)?;
    let mut runner = Runner::new(environment(&channels, Network::None), interrupt.clone());
    let host = args.host.as_deref();
    let reads_image = settings.read_image.unwrap_or(true);
    let image = store(&runner, &live, &mut update, host, reads_image).map_err(&refused)?;
    let mut request = request((&args, answered), (None, false), settings, &runner, report).map_err(&refused)?;
    request.extra_files = None;
    request.answers.extend(update.receipt.chosen.clone());
    request.update = Some(update);
    let lock = lock(&args, &request, &mut runner).map_err(&refused)?;
    let live = LiveSystem {
        runner: &runner,
        report,
        channels,
        image,
        cache: None,
    };
    let source = choose_source(&request, report).map_err(&refused)?;
    report.phase(phases::CHECK);
    let plan = plan::plan(&request, &live, &source).map_err(Failure::before(phases::CHECK, REFUSED))?;
    let Some(lock) = lock else {
        preview(&plan, &live, &request).map_err(Failure::before(phases::BUILD, NOT_BUILT))?;
        return Ok("This machine can be updated. Nothing was written.".to_owned());
    };
    let target_log = request.target.keeping(&plan.kept_at).log(&stamp);
    log.also_to(&target_log)
        .map_err(Failure::before(phases::CHECK, REFUSED))?;
    let installation = Installation {
        request: &request,
        live: &live,
        log,
        passphrases: HashMap::new(),
        stamp,
        left: Left::default(),
        lock,
    };
    apply(&plan, &installation)?;
    Ok(format!("Updated. The log is {}.", log_place(log, true)))
}

/// Registers the store of the live system. Returns its image, where it is read without the kernel.
fn store(
    runner: &Runner,
    live: &LiveSystemOfIso,
    update: &mut Update,
    host: Option<&str>,
    reads_image: bool,
) -> anyhow::Result<Option<StoreImage>> {
    let used = register(runner, live, &update.of_running()?.machine, (&update.receipt, host))?;
    if let Some(running) = &mut update.running {
        running.used = used;
    }
    let image = reads_image.then(StoreImage::of_live_store).flatten();
    live.install_channel(runner)?;
    Ok(image)
}

/// Enters the live system of the ISO that was named or is found.
fn enter(wanted: &UpdateArgs, runner: &Runner, report: &Reporter) -> anyhow::Result<(Update, LiveSystemOfIso)> {
    if !geteuid().is_root() {
        return Err(PlanProblem::NotRoot.into());
    }
    if !runner.has(NIX) {
        return Err(ProgramProblem::NoNix.into());
    }
    // Beside the profile, which is a link into the store: that is mounted read-only.
    let profiles = Path::new(SYSTEM_PROFILE).with_file_name("");
    let mut written = [Path::new("/"), &profiles].into_iter();
    if let Some(root) = written.find_map(mounts::read_only) {
        return Err(TargetProblem::ReadOnly { root }.into());
    }
    let receipt = Receipt::load(&Target::new("/"))?;
    let medium = installation_medium::find(wanted.from.as_deref())?;
    report.note(&format!(
        "Updating from {}; installed on {}.",
        medium.display(),
        receipt.finished
    ));
    if !wanted.dry_run {
        make_build_users();
    }
    let (machine, live) = RunningMachine::enter((&medium, wanted.signed), (runner, report))
        .context("Failed to enter the ISO's live system")?;
    let running = RunningUpdate {
        machine,
        iso: live.system.clone(),
        used: Vec::new(),
        switch: wanted.switch,
    };
    let update = Update {
        receipt,
        take: wanted.take,
        older: wanted.older,
        host_is_named: wanted.host.is_some(),
        is_looked_at: false,
        running: Some(running),
    };
    Ok((update, live))
}
