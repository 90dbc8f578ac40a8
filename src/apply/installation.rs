//! What the steps need besides the plan.

use std::collections::HashMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::live::target_lock::TargetLock;
use crate::log_file::LogFile;
use crate::plan::request::{LiveSystem, Request};

/// A running installation.
pub struct Installation<'a> {
    pub request: &'a Request,
    pub live: &'a LiveSystem<'a>,
    pub log: &'a LogFile,
    /// Of the encrypted volumes, by partition, where they are known.
    pub passphrases: HashMap<PathBuf, SecretString>,
    /// The time at which it began, as it is used in names: `2026-11-23T16-04-05Z`.
    pub stamp: String,
    /// No other run is at work on the target.
    #[expect(dead_code, reason = "it is held, not read")]
    pub lock: TargetLock,
}
