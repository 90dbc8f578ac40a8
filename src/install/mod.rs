//! The installation: its phases, in order.

pub mod activate;
pub mod build;
pub mod check;
pub mod choices;
pub mod copy;
mod disk;
mod git;
mod hardware_files;
pub mod keep;
mod leftovers;
pub mod lock;
mod luks;
pub mod machine;
pub mod memory;
pub mod place;
mod room;
pub mod target;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use secrecy::SecretString;

use crate::nix::command::Runner;
use crate::nix::environment::Channels;
use crate::report::{LogFile, Phase, Report, bytes};
use crate::store::image::Image;
use crate::tree::feature::NotCovered;
use crate::tree::source::{self, Kind, STANDARD_PLACES, Source};
use check::Checked;
use choices::Choices;
use machine::Machine;
use place::Placed;
use target::Target;

/// One installation, as it was asked for.
#[allow(clippy::struct_excessive_bools)] // Independent wishes of a person.
pub struct Job<'a> {
    /// Where to.
    pub target: Target,
    /// The tree that was named, and by whom.
    pub source: Option<(PathBuf, &'static str)>,
    /// The host that was named.
    pub host: Option<String>,
    /// The hardware configuration's path in the tree that was named.
    pub hardware_config: Option<PathBuf>,
    /// The channels of a channel configuration: what `runner` finds by their names.
    pub channels: Channels,
    /// What the medium was made without.
    pub not_covered: Vec<NotCovered>,
    /// The store path that the target keeps, so that it can be rebuilt without a network.
    pub offline_rebuild: Option<PathBuf>,
    /// What was decided outside the configuration.
    pub choices: Choices,
    /// What only the graphical installer knows of this machine.
    pub machine: Machine,
    /// The passphrases of its encrypted volumes, by partition, where they are known.
    pub passphrases: HashMap<PathBuf, SecretString>,
    /// Whether the target has to be a mount point.
    pub must_be_mounted: bool,
    /// Whether the network may be used.
    pub online: bool,
    /// Whether the boot loader is left alone.
    pub no_bootloader: bool,
    /// Whether the image of the live store is read without the kernel, where it can be.
    pub read_image: bool,
    /// Names what this run leaves behind: its time, in UTC.
    pub stamp: String,
    /// Starts programs.
    pub runner: &'a Runner,
    /// Tells the user.
    pub report: &'a Report,
    /// The log.
    pub log: &'a LogFile,
}

/// The time as it is used in names: `2026-11-23T16-04-05Z`.
#[must_use]
pub fn stamp(now: SystemTime) -> String {
    humantime::format_rfc3339_seconds(now).to_string().replace(':', "-")
}

/// What building costs, for the proportions of the progress: text and configuration are built in about a second each.
const SECONDS_A_DERIVATION: f64 = 1.0;

/// Finds the configuration and proves it, without writing to the target; the plan is told on the way. The caller has
/// begun [`Phase::Source`].
///
/// # Errors
/// All problems that were found.
#[allow(clippy::cast_precision_loss)] // Proportions.
pub fn prove(job: &Job<'_>) -> Result<(Source, Checked)> {
    let report = job.report;
    let explicit = job.source.as_ref().map(|(path, named_by)| (path.as_path(), *named_by));
    let source = source::choose(explicit, &STANDARD_PLACES.map(Path::new))?;
    report.note(&source.reason);
    report.phase(Phase::Check);
    let checked = check::check(job, &source)?;
    report.note(&format!("System: {}", checked.evaluated.out.display()));
    report.note(&plan(&checked.work.build));
    report.note(&to_copy(&checked));
    report.expect(Phase::Build, SECONDS_A_DERIVATION * checked.work.build.len() as f64);
    report.expect(Phase::Copy, copy::seconds(checked.bytes + checked.only_read));
    Ok((source, checked))
}

/// The total of the bar while copying, in its parts.
fn to_copy(checked: &Checked) -> String {
    let copied = format!("To copy: {} at most", bytes(checked.bytes));
    let built = if checked.work.build.is_empty() {
        ""
    } else {
        " and what is built"
    };
    match checked.only_read {
        0 => format!("{copied}{built}"),
        read => format!("{copied}{built}; to read and verify: {} of sources", bytes(read)),
    }
}

/// How many names of derivations the plan shows.
const NAMES_SHOWN: usize = 12;

fn plan(build: &[String]) -> String {
    if build.is_empty() {
        return "To build: nothing, it is on the medium as it is.".to_owned();
    }
    let shown = build.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = if build.len() > NAMES_SHOWN { ", …" } else { "" };
    format!("To build: {} derivations ({shown}{more})", build.len())
}

/// Proves the configuration before the disk is partitioned: no other phase follows.
///
/// # Errors
/// All problems that were found.
pub fn check_only(job: &Job<'_>) -> Result<()> {
    for phase in [Phase::Place, Phase::Build, Phase::Copy, Phase::Activate, Phase::Keep] {
        job.report.expect(phase, 0.0);
    }
    prove(job).map(drop)
}

/// Reads everything on the medium that the installation needs and compares it with the database. Writes nothing.
///
/// # Errors
/// The problems of the check, or a medium that is damaged.
pub fn verify_store(job: &Job<'_>) -> Result<()> {
    let (source, checked) = prove(job)?;
    job.report.phase(Phase::Copy);
    let beside = beside(job, source.kind);
    let beside = beside.iter().filter_map(|path| path.to_str());
    let used = checked
        .work
        .uses
        .iter()
        .chain(checked.sources.keys())
        .map(String::as_str);
    let used: Vec<&str> = used.chain(beside).collect();
    copy::verify(job.runner, job.report, image_of(job).as_ref(), &used)
}

fn image_of(job: &Job<'_>) -> Option<Image> {
    job.read_image.then(Image::of_live_store).flatten()
}

/// What is copied besides the system. nixos-install gives a channel configuration its channels; copied with the rest, they
/// are there already.
fn beside(job: &Job<'_>, kind: Kind) -> Vec<PathBuf> {
    let channels = (kind == Kind::Channel).then(|| job.channels.for_target()).flatten();
    channels.into_iter().chain(job.offline_rebuild.clone()).collect()
}

/// Installs. Every phase finds out what is already done: running it again is safe, and goes on where it stopped.
///
/// # Errors
/// What the phase that failed says; [`Report::current_phase`] is that phase.
pub fn install(job: &Job<'_>) -> Result<()> {
    let report = job.report;
    let (source, checked) = prove(job)?;

    report.phase(Phase::Place);
    job.log.also_to(&job.target.log(&job.stamp))?;
    if let Some(mode) = job.target.open()? {
        let root = job.target.root().display();
        report.note(&format!(
            "{root} had mode {mode:o}. It now has 755, as the root of a system."
        ));
    }
    luks::enroll(job)?;
    if source.kind == Kind::Flake {
        let files = hardware_files::files(checked.snapshot.path(), &checked.hardware.path)?;
        git::track(job, checked.snapshot.path(), &files)?;
    }
    let interrupt = job.runner.interrupt();
    match place::place(
        &job.target,
        checked.snapshot.path(),
        &checked.hardware.path,
        &job.stamp,
        interrupt,
    )? {
        Placed::Same => report.note("The target already has this configuration."),
        Placed::New(None) => {}
        Placed::New(Some(kept)) => report.note(&format!("What was in etc/nixos before is kept in {}.", kept.display())),
    }

    report.phase(Phase::Build);
    let system = build::build(
        job.runner,
        report,
        &checked.evaluated.drv,
        checked.work.build.len() as u64,
    )?;

    report.phase(Phase::Copy);
    let roots = [vec![system.clone()], beside(job, source.kind)].concat();
    let roots: Vec<&str> = roots.iter().filter_map(|path| path.to_str()).collect();
    copy::copy(
        job.runner,
        report,
        &job.target,
        image_of(job).as_ref(),
        &roots,
        &checked.sources,
    )?;

    report.phase(Phase::Activate);
    activate::activate(job, source.kind, &system)?;

    report.phase(Phase::Keep);
    let finished = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    if let Some(path) = &job.offline_rebuild {
        keep::root(&job.target, path)?;
    }
    keep::keep(&job.target, &source.path, &checked, &system, &finished)
}
