//! What the steps need besides the plan.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;

use crate::live::target_lock::TargetLock;
use crate::log_file::LogFile;
use crate::plan::request::{LiveSystem, Request};

/// The store paths that were found right before the step that copies.
#[derive(Default)]
pub struct Ahead {
    /// In the target's store, and not registered.
    pub copied: BTreeSet<String>,
    /// Sources that are read, and not written.
    pub read: BTreeSet<String>,
}

/// A running installation.
pub struct Installation<'a> {
    pub request: &'a Request,
    pub live: &'a LiveSystem<'a>,
    pub log: &'a LogFile,
    /// Of the encrypted volumes, by partition, where they are known.
    pub passphrases: HashMap<PathBuf, SecretString>,
    /// The time at which it began, as it is used in names: `2026-11-23T16-04-05Z`.
    pub stamp: String,
    pub ahead: Mutex<Ahead>,
    /// No other run is at work on the target.
    pub lock: TargetLock,
}

impl Installation<'_> {
    pub(super) fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
