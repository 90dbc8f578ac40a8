//! What stays on the target: the receipt, and what a later rebuild without a network needs. The log is written there all
//! along.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::files::write_whole;
use crate::live::target::Target;
use crate::plan::Checked;
use crate::tree::source::ConfigKind;

#[derive(Serialize)]
struct Receipt<'a> {
    version: &'a str,
    finished: &'a str,
    source: &'a Path,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    hardware: &'a Path,
    system: &'a Path,
}

/// Writes what was installed, from where and when.
///
/// # Errors
/// When the target cannot be written.
pub fn keep(target: &Target, source: &Path, checked: &Checked, system: &Path, finished: &str) -> Result<()> {
    let receipt = Receipt {
        version: env!("CARGO_PKG_VERSION"),
        finished,
        source,
        kind: match checked.configuration.kind {
            ConfigKind::Channel => "channel",
            ConfigKind::Flake => "flake",
        },
        host: checked.configuration.host.as_deref(),
        hardware: &checked.hardware.path,
        system,
    };
    write_whole(&target.receipt(), &serde_json::to_vec_pretty(&receipt)?)
}

/// Keeps the store path `path`, and all that it refers to, from the target's garbage collector.
///
/// # Errors
/// When the target cannot be written.
pub fn root(target: &Target, path: &Path) -> Result<()> {
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
