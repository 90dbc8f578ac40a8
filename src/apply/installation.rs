//! What the steps need besides the plan.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, Result};
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

/// What an update goes back to where it fails, and from what: numbers of generations.
pub struct Generations {
    /// Absent: it is not known.
    pub former: Option<String>,
    /// The one that the update has made. Another one is somebody else's.
    pub made: Option<String>,
}

/// What steps leave for later ones.
#[derive(Default)]
pub struct Left {
    ahead: Mutex<Ahead>,
    /// Absent until an update has made one.
    generations: OnceLock<Generations>,
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
    pub left: Left,
    /// No other run is at work on the target.
    pub lock: TargetLock,
}

impl Installation<'_> {
    /// Writes down that the generation `made` is to be the next one in place of `former`.
    pub(super) fn has_made(&self, former: Option<String>, made: Option<String>) {
        // It is made once.
        drop(self.left.generations.set(Generations { former, made }));
    }

    pub(super) fn generations(&self) -> Result<&Generations> {
        self.left.generations.get().context("No generation was made")
    }

    pub(super) fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.left.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
