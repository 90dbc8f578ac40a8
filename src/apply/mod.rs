//! Carries a [`Plan`] out, step by step.
//!
//! Every step finds out what is already done: running it again is safe, and goes on where it stopped.

mod installation;
mod leftovers;
mod disk;
mod missing_extra_files;
mod put_extra_files;
mod activate;
mod build;
mod make_layout;
pub mod host_keys;
mod release_disk;
pub mod plain_layout;
pub mod stick;
mod copy_order;
pub mod copy;
mod fetch;
mod copy_ahead;
mod git_index;
mod inspect;
mod luks;
mod place;
pub mod prepare;
mod receipt;
mod next_steps;
mod update_steps;
mod update_mounted;
mod update_preview;

use anyhow::Result;

use crate::live::target::Target;
use crate::plan::request::Update;
use crate::plan::{Plan, phases};
use crate::progress::Phase;
use crate::store::reading;
pub use inspect::{is_in_boot_menu, starts_left};
pub use installation::{Ahead, Installation, Left};
pub use make_layout::{build_script, make_layout, take_down};
pub use next_steps::next_steps;
pub use update_preview::preview;

/// A part of the installation.
struct Step {
    phase: &'static Phase,
    /// The exit code when it fails.
    exit_code: u8,
    run: fn(&Plan, &Target, &Installation<'_>) -> Result<()>,
}

/// The exit code when the system cannot be built.
pub const NOT_BUILT: u8 = 5;

const STEPS: [Step; 6] = [
    step(phases::PLACE, 4, place::step),
    step(phases::BUILD, NOT_BUILT, copy_ahead::build),
    step(phases::COPY, 6, copy::step),
    step(phases::ACTIVATE, 7, activate::step),
    step(phases::INSPECT, 9, inspect::step),
    step(phases::KEEP, 8, receipt::step),
];

/// The same on a running machine. Its configuration is exchanged when nothing else of the medium is needed.
const UPDATE: [Step; 6] = [
    step(phases::BUILD, NOT_BUILT, build::step),
    step(phases::COPY, 6, update_steps::copy),
    step(phases::PLACE, 4, place::step),
    step(phases::ACTIVATE, 7, update_steps::activate),
    step(phases::INSPECT, 9, update_steps::inspect),
    step(phases::KEEP, 8, update_steps::finish),
];

/// With a binary cache: what is built is built from what was fetched.
const FROM_CACHE: [Step; 6] = [
    step(phases::PLACE, 4, place::step),
    step(phases::COPY, 6, fetch::step),
    step(phases::BUILD, NOT_BUILT, build::in_target),
    step(phases::ACTIVATE, 7, activate::step),
    step(phases::INSPECT, 9, inspect::step),
    step(phases::KEEP, 8, receipt::step),
];

/// An update of a system that does not run. Its configuration is exchanged when nothing else of the medium is needed.
const UPDATE_MOUNTED: [Step; 6] = [
    step(phases::BUILD, NOT_BUILT, copy_ahead::build),
    step(phases::COPY, 6, copy::step),
    step(phases::PLACE, 4, place::step),
    step(phases::ACTIVATE, 7, update_mounted::activate),
    step(phases::INSPECT, 9, update_mounted::inspect),
    step(phases::KEEP, 8, update_steps::keep),
];

/// The same with a binary cache.
const UPDATE_MOUNTED_FROM_CACHE: [Step; 6] = [
    step(phases::COPY, 6, fetch::step),
    step(phases::BUILD, NOT_BUILT, build::in_target),
    step(phases::PLACE, 4, place::step),
    step(phases::ACTIVATE, 7, update_mounted::activate),
    step(phases::INSPECT, 9, update_mounted::inspect),
    step(phases::KEEP, 8, update_steps::keep),
];

const fn step(phase: &'static Phase, exit_code: u8, run: fn(&Plan, &Target, &Installation<'_>) -> Result<()>) -> Step {
    Step { phase, exit_code, run }
}

/// What may have been written when a part of the work failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Nothing,
    /// A layout for disko that is not complete. The next run makes it again.
    Disks,
    /// The next run continues.
    Target,
}

/// A part of the work that failed.
pub struct Failure {
    pub phase: &'static Phase,
    pub exit_code: u8,
    pub written: Written,
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure before anything was written.
    pub fn before(phase: &'static Phase, exit_code: u8) -> impl Fn(anyhow::Error) -> Self {
        move |error| Self {
            phase,
            exit_code,
            written: Written::Nothing,
            error,
        }
    }
}

/// What building one takes, for the proportions of the progress: most are text and configuration.
const SECONDS_A_DERIVATION: f64 = 1.0;

/// Carries `plan` out.
#[allow(clippy::cast_precision_loss)] // Proportions.
pub fn apply(plan: &Plan, installation: &Installation<'_>) -> Result<(), Failure> {
    let report = installation.live.report;
    report.expect(phases::BUILD, SECONDS_A_DERIVATION * plan.build.len() as f64);
    report.expect(phases::COPY, reading::seconds(plan.copied_bytes + plan.verified_bytes));
    let target = installation.request.target.keeping(&plan.kept_at);
    let is_running = |update: &Update| update.running.is_some();
    let steps = match (
        installation.request.update.as_ref().map(is_running),
        &plan.fetched.cache,
    ) {
        (Some(true), _) => &UPDATE,
        (Some(false), None) => &UPDATE_MOUNTED,
        (Some(false), Some(_)) => &UPDATE_MOUNTED_FROM_CACHE,
        (None, Some(_)) => &FROM_CACHE,
        (None, None) => &STEPS,
    };
    for step in steps {
        report.phase(step.phase);
        (step.run)(plan, &target, installation).map_err(|error| Failure {
            phase: step.phase,
            exit_code: step.exit_code,
            written: Written::Target,
            error,
        })?;
    }
    Ok(())
}
