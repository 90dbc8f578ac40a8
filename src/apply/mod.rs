//! The installation: its phases, in order.

pub mod activate;
pub mod build;
pub mod copy;
mod disk;
mod git_index;
mod leftovers;
mod luks;
pub mod place;
mod receipt;

use std::time::SystemTime;

use anyhow::Result;

use crate::plan::hardware_files;
use crate::plan::job::{Job, beside, image_of};
use crate::plan::prove;
use crate::progress::Phase;
use crate::tree::source::ConfigKind;
use place::Placed;

/// The time as it is used in names: `2026-11-23T16-04-05Z`.
#[must_use]
pub fn stamp(now: SystemTime) -> String {
    humantime::format_rfc3339_seconds(now).to_string().replace(':', "-")
}

/// Installs. Every phase finds out what is already done: running it again is safe, and goes on where it stopped.
///
/// # Errors
/// What the phase that failed says; [`Reporter::current_phase`] is that phase.
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
    if source.kind == ConfigKind::Flake {
        let files = hardware_files::files(checked.snapshot.path(), &checked.hardware.path)?;
        git_index::track(job, checked.snapshot.path(), &files)?;
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
        receipt::root(&job.target, path)?;
    }
    receipt::keep(&job.target, &source.path, &checked, &system, &finished)
}
