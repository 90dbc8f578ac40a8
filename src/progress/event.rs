//! The events and their vocabulary. docs/events.md documents the JSON form.

use serde::Serialize;

use crate::diagnostic::Diagnostic;

/// A phase of an installation, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reading the settings.
    Settings,
    /// Choosing the configuration tree.
    Source,
    /// Everything that can be known before the disk is written.
    Check,
    /// Putting the tree into the target's etc/nixos.
    Place,
    /// Building the toplevel in the live system's store.
    Build,
    /// Copying the closure into the target's store.
    Copy,
    /// Profile, activation and boot loader.
    Activate,
    /// Log, receipt, what a later rebuild needs.
    Keep,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 8] = [
        Self::Settings,
        Self::Source,
        Self::Check,
        Self::Place,
        Self::Build,
        Self::Copy,
        Self::Activate,
        Self::Keep,
    ];

    /// The process exit code when this phase fails.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Settings => 2,
            Self::Source | Self::Check => 3,
            Self::Place => 4,
            Self::Build => 5,
            Self::Copy => 6,
            Self::Activate => 7,
            Self::Keep => 8,
        }
    }

    /// What a person reads while it runs.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Settings => "Reading the settings",
            Self::Source => "Finding the configuration",
            Self::Check => "Checking the configuration",
            Self::Place => "Placing the configuration",
            Self::Build => "Building the system",
            Self::Copy => "Copying the system",
            Self::Activate => "Activating the system",
            Self::Keep => "Keeping the log and the receipt",
        }
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
        phase: Phase,
        /// Of the whole run, 0 to 1.
        fraction: f64,
    },
    /// Work was done.
    Progress {
        /// In which phase.
        phase: Phase,
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
