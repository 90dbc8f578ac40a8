//! What stays on the target: the receipt, and what a later rebuild without a network needs. The log is written there all
//! along.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;

use super::installation::Installation;
use crate::files::write_whole;
use crate::live::target::Target;
use crate::plan::Plan;

#[derive(Serialize)]
struct Receipt<'a> {
    version: &'a str,
    finished: String,
    #[serde(flatten)]
    plan: &'a Plan,
}

/// Writes what was installed, from where and when.
pub(super) fn step(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    if let Some(path) = &installation.request.offline_rebuild {
        root(target, path)?;
    }
    let receipt = Receipt {
        version: env!("CARGO_PKG_VERSION"),
        finished: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        plan,
    };
    write_whole(&target.receipt(), &serde_json::to_vec_pretty(&receipt)?)
}

/// Keeps the store path `path`, and all that it refers to, from the target's garbage collector.
///
/// # Errors
/// When the target cannot be written.
fn root(target: &Target, path: &Path) -> Result<()> {
    let link = target.rebuild_root();
    let new = link.with_extension("new");
    let make = || {
        link.parent().map_or(Ok(()), fs::create_dir_all)?;
        // Left by a run that was cut off.
        fs::remove_file(&new).or_else(|error| {
            if error.kind() == ErrorKind::NotFound {
                Ok(())
            } else {
                Err(error)
            }
        })?;
        symlink(path, &new)?;
        fs::rename(&new, &link)
    };
    make().with_context(|| format!("Failed to make {}", link.display()))
}
