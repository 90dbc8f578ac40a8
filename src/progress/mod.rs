//! One stream of events about the work: a meter that makes a fraction of it, and the renderers that show it. It knows no
//! phase of its own; whoever makes a [`Reporter`] brings the list.

mod event;
mod meter;
mod amounts;
mod renderer;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use event::{Event, Phase, Unit};
pub use renderer::{Format, Renderer};

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use meter::Meter;

/// The one channel to the user. Shared by reference, from any thread.
pub struct Reporter {
    state: Mutex<State>,
}

struct State {
    renderer: Box<dyn Renderer>,
    meter: Meter,
    last_progress: Option<Instant>,
    /// What it said was done, to do and being worked on.
    last_said: (u64, u64, String),
}

/// Progress events of what comes by the thousand, closer together than this, are dropped, so that no renderer drowns.
const MIN_INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);

impl Reporter {
    /// A report of work in `phases`, of which there is one at least, that `renderer` shows.
    #[must_use]
    pub fn new(renderer: Box<dyn Renderer>, phases: &'static [Phase]) -> Self {
        Self {
            state: Mutex::new(State {
                renderer,
                meter: Meter::new(phases, Instant::now()),
                last_progress: None,
                last_said: (0, 0, String::new()),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not silence the report: the state is always whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins `phase`. The part of the whole that is still left is shared out anew by the phases' costs.
    pub fn phase(&self, phase: &'static Phase) {
        log::info!("phase: {}", phase.title);
        let mut state = self.state();
        state.meter.begin(phase, Instant::now());
        state.last_progress = None;
        state.last_said = (0, 0, String::new());
        let fraction = state.meter.fraction();
        state.renderer.show(&Event::Phase { phase, fraction });
    }

    /// Says what `phase` is expected to cost, in seconds, once more is known than the built-in guess.
    pub fn expect(&self, phase: &Phase, seconds: f64) {
        self.state().meter.expect(phase, seconds);
    }

    /// As [`Reporter::expect`], of the current phase.
    pub fn expect_now(&self, seconds: f64) {
        let mut state = self.state();
        let phase = state.meter.phase();
        state.meter.expect(phase, seconds);
    }

    /// Says how far the current phase is: `done` of `total`, and what is being worked on.
    pub fn progress(&self, done: u64, total: u64, unit: Unit, item: &str) {
        let now = Instant::now();
        let mut state = self.state();
        state.meter.advance(done, total);
        let finished = total > 0 && done >= total;
        let early = state.last_progress.is_some_and(|last| now - last < MIN_INTERVAL);
        // After a build or a step there may be nothing to report for minutes: none of them is dropped.
        let many = matches!(unit, Unit::Bytes | Unit::Evaluated);
        let said = &state.last_said;
        let same = (said.0, said.1, said.2.as_str()) == (done, total, item);
        if same || (early && many && !finished) {
            return;
        }
        state.last_progress = Some(now);
        state.last_said = (done, total, item.to_owned());
        let event = Event::Progress {
            phase: state.meter.phase(),
            fraction: state.meter.fraction(),
            done,
            total,
            unit,
            item,
            per_second: state.meter.pace(done, now),
            // Only bytes have a pace: an evaluation has no total, and one build is not like another. An estimate would stand
            // there, and be wrong, as long as one runs.
            eta_seconds: state.meter.eta(now).filter(|_| unit == Unit::Bytes),
        };
        state.renderer.show(&event);
    }

    /// Shows one plain line.
    pub fn note(&self, text: &str) {
        log::info!("{text}");
        self.state().renderer.show(&Event::Log { text });
    }

    /// Runs `question`, in which a person types, while nothing is drawn.
    pub fn pause(&self, question: &mut dyn FnMut()) {
        self.state().renderer.pause(question);
    }

    /// Shows what will be done.
    pub fn plan<P: fmt::Display + Serialize>(&self, plan: &P) {
        let text = plan.to_string();
        // A plan is made of names, numbers and paths: one that is not UTF-8 is only in the text.
        let plan = &serde_json::to_value(plan).unwrap_or_default();
        self.state().renderer.show(&Event::Plan { plan });
        text.lines().for_each(|line| self.note(line));
    }

    /// Shows a problem.
    pub fn problem(&self, problem: &Diagnostic) {
        log::info!("{:?}: {problem}", problem.severity);
        self.state().renderer.show(&Event::Problem { problem });
    }

    /// Says where the disks that were made are mounted.
    pub fn mounted(&self, target: &Path) {
        self.state().renderer.show(&Event::Mounted { target });
    }

    /// Says what an error dialog shows.
    pub fn failure(&self, title: &str, details: &str) {
        self.state().renderer.show(&Event::Failure { title, details });
    }

    /// Says how it ended. `exit_code` is 0 on success; `text` is one line.
    pub fn done(&self, exit_code: u8, text: &str) {
        log::info!("done ({exit_code}): {text}");
        let mut state = self.state();
        if exit_code == 0 {
            state.meter.finish();
        }
        let fraction = state.meter.fraction();
        state.renderer.show(&Event::Done {
            exit_code,
            text,
            fraction,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PHASE: Phase = Phase {
        name: "copy",
        title: "Copying",
        seconds: 1.0,
    };

    /// Keeps what was done and what was being worked on.
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Renderer for Kept {
        fn show(&mut self, event: &Event<'_>) {
            if let Event::Progress { done, item, .. } = event {
                self.0.lock().unwrap().push(format!("{done} {item}"));
            }
        }
    }

    fn shown(unit: Unit) -> Vec<String> {
        let kept = Arc::default();
        let report = Reporter::new(Box::new(Kept(Arc::clone(&kept))), &[PHASE]);
        for (done, item) in [(0, "a"), (1, "a"), (1, "a"), (1, "b"), (2, "b"), (3, "b")] {
            report.progress(done, 3, unit, item);
        }
        kept.lock().unwrap().clone()
    }

    #[test]
    fn no_build_is_omitted_and_nothing_is_shown_twice() {
        assert_eq!(shown(Unit::Derivations), ["0 a", "1 a", "1 b", "2 b", "3 b"]);
    }

    #[test]
    fn of_many_bytes_the_first_and_the_last_are_shown() {
        assert_eq!(shown(Unit::Bytes), ["0 a", "3 b"]);
    }
}
