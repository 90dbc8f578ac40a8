//! The events and their vocabulary. docs/events.md documents the JSON form.

use std::path::Path;

use serde::Serialize;

use crate::diagnostic::Diagnostic;

/// A part of the work, with its share of the bar.
#[derive(Debug)]
pub struct Phase {
    /// What programs read: one word.
    pub name: &'static str,
    /// What a person reads while it runs.
    pub title: &'static str,
    /// Seconds that it is expected to take until something better is known. Only the proportions matter.
    pub seconds: f64,
}

impl Serialize for Phase {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// What `done` and `total` of a progress event count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Bytes of store paths or files.
    Bytes,
    /// Derivations built.
    Derivations,
    /// Files read and derivations instantiated by an evaluation; how many it will be shows at its end only.
    Evaluated,
    /// Steps of a known list.
    Steps,
}

/// One thing that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event<'a> {
    /// A phase began.
    Phase {
        /// Which.
        phase: &'static Phase,
        /// Of the whole run, 0 to 1.
        fraction: f64,
    },
    /// Work was done.
    Progress {
        /// In which phase.
        phase: &'static Phase,
        /// Of the whole run, 0 to 1; never goes back.
        fraction: f64,
        /// Done in this phase, in `unit`.
        done: u64,
        /// To do in this phase, in `unit`.
        total: u64,
        /// What is counted.
        unit: Unit,
        /// What is being worked on (a store path's name); may be empty.
        item: &'a str,
        /// Done a second in this phase, in `unit`, once that is meaningful.
        #[serde(skip_serializing_if = "Option::is_none")]
        per_second: Option<u64>,
        /// Seconds to the end of the whole run, once that is meaningful.
        #[serde(skip_serializing_if = "Option::is_none")]
        eta_seconds: Option<u64>,
    },
    /// What will be done, for programs; for people it follows in lines.
    Plan {
        /// Its values.
        plan: &'a serde_json::Value,
    },
    /// The disks were made, and are mounted.
    Mounted {
        /// Where.
        target: &'a Path,
    },
    /// A line for the user.
    Log {
        /// The line.
        text: &'a str,
    },
    /// A problem with cause and remedy.
    Problem {
        /// The problem.
        #[serde(flatten)]
        problem: &'a Diagnostic,
    },
    /// What an error dialog shows; comes before [`Event::Done`], and only where a graphical installer listens.
    Failure {
        /// One line.
        title: &'a str,
        /// The cause first: about nine lines are visible.
        details: &'a str,
    },
    /// The end.
    Done {
        /// The exit code that follows.
        exit_code: u8,
        /// One line.
        text: &'a str,
        /// Of the whole run, 0 to 1; 1 on success.
        fraction: f64,
    },
}
