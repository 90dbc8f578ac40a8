//! The files of a tree in a form that can be kept and compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// What git keeps of the tree's history: it changes whenever git is run.
const GIT: &str = ".git";

/// Files and links, by their paths in the tree: `sha256:…`, `sha256:… executable`, `link to …`. Directories count by what is in them.
pub type Fingerprint = BTreeMap<String, String>;

/// Which of two configurations counts, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// That of the ISO.
    New,
    /// What is in /etc/nixos of the machine.
    Mine,
}

/// The fingerprint of the tree at `root`; empty where nothing is.
///
/// # Errors
/// When something of it cannot be read.
pub fn of(root: &Path) -> Result<Fingerprint> {
    if !root.exists() {
        return Ok(Fingerprint::new());
    }
    let entries = WalkDir::new(root).min_depth(1).into_iter();
    let mut all = Fingerprint::new();
    for entry in entries.filter_entry(|entry| entry.file_name() != GIT) {
        let entry = entry?;
        let what = || format!("Failed to read {}", entry.path().display());
        let kind = entry.file_type();
        let value = if kind.is_symlink() {
            format!("link to {}", fs::read_link(entry.path()).with_context(what)?.display())
        } else if kind.is_file() {
            let hash = HEXLOWER.encode(&Sha256::digest(fs::read(entry.path()).with_context(what)?));
            let mode = entry.metadata()?.permissions().mode();
            format!("sha256:{hash}{}", if mode & 0o100 == 0 { "" } else { " executable" })
        } else {
            continue;
        };
        let name = entry.path().strip_prefix(root)?.to_string_lossy().into_owned();
        all.insert(name, value);
    }
    Ok(all)
}
