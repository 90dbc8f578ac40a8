//! What a run leaves on the target for a later one.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::files::write_whole;

/// What a later run must know.
#[derive(Debug, Serialize, Deserialize)]
pub struct Placement {
    /// Where in etc/nixos this machine's hardware configuration is.
    pub hardware: PathBuf,
    /// The swap that was begun and is not known to be finished.
    pub swap: Option<Exchange>,
}

/// Written before the swap, so that it can be finished or undone after a power cut.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// The inode of the new directory: where it is shows how far the swap came.
    pub inode: u64,
    /// The name under which the old directory is kept.
    pub before: PathBuf,
}

impl Placement {
    /// What an earlier run wrote, if any did.
    ///
    /// # Errors
    /// When it cannot be read: nobody knows then what of the target is the user's.
    pub fn load(target: &Target) -> Result<Option<Self>> {
        let path = target.placement();
        let what = || format!("Failed to read {}", path.display());
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).with_context(what),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(what),
        }
    }

    /// Replaces what an earlier run wrote.
    pub fn save(&self, target: &Target) -> Result<()> {
        write_whole(&target.placement(), &serde_json::to_vec_pretty(self)?)
    }
}
