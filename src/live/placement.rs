//! What a run leaves on the target for a later one.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::installer_facts::InstallerFacts;
use super::target::Target;
use crate::diagnostic::TargetProblem;
use crate::files::write_whole;
use crate::tree::fingerprint::Fingerprint;

/// What a later run must know.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Placement {
    /// Where in etc/nixos this machine's hardware configuration is.
    pub hardware: PathBuf,
    /// The files that were placed, until a receipt has them.
    #[serde(default)]
    pub tree: Option<Fingerprint>,
    /// What was answered and is in the files. Earlier versions did not write it.
    #[serde(default)]
    pub chosen: Option<Answers>,
    /// What configuration.nix says of the machine, where it has the part for it ([`super::in_place`]). As `chosen`.
    #[serde(default)]
    pub machine: Option<InstallerFacts>,
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
    /// The files of the new directory. Earlier versions did not write them.
    #[serde(default)]
    pub tree: Option<Fingerprint>,
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
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
                let (path, error) = (path.clone(), error.to_string());
                TargetProblem::Placement { path, error }.into()
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(what),
        }
    }

    /// The files that a run without a receipt has placed in etc/nixos, as they were then.
    #[must_use]
    pub fn files(&self, target: &Target) -> Option<&Fingerprint> {
        match &self.swap {
            Some(swap) if is_inode(&target.etc_nixos(), swap.inode) => swap.tree.as_ref(),
            _ => self.tree.as_ref(),
        }
    }

    /// Replaces what an earlier run wrote.
    pub fn save(&self, target: &Target) -> Result<()> {
        write_whole(&target.placement(), &serde_json::to_vec_pretty(self)?)
    }
}

/// Whether `path` is the file or directory with that inode.
#[must_use]
pub fn is_inode(path: &Path, inode: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.ino() == inode)
}
