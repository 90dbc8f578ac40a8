//! What programs that were killed have left, where nobody else removes it.
//!
//! nixos-install makes a directory in the target's root with `mktemp -d -p` and removes it at its end; killed, it leaves it
//! there. The directories with such names that are there already are written down before it starts.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use crate::files::{remove, write_whole};
use crate::live::target::Target;
use crate::plan::Plan;

/// The directories with a name of mktemp: `tmp.` and ten letters or digits.
fn temporary(target: &Target) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(target.root()).context("Failed to list the target")?;
    Ok(entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.strip_prefix("tmp.").is_some_and(|rest| rest.len() == 10))
        .collect())
}

/// Removes what an earlier run left, and writes down what is there now.
pub(super) fn begin(target: &Target) -> Result<()> {
    finish(target)?;
    write_whole(&target.activating(), &serde_json::to_vec(&temporary(target)?)?)
}

/// Removes what was made since the beginning.
pub(super) fn finish(target: &Target) -> Result<()> {
    let Ok(text) = fs::read(target.activating()) else {
        return Ok(());
    };
    let before: BTreeSet<String> = serde_json::from_slice(&text).context("Failed to read what was there before")?;
    for name in temporary(target)?.difference(&before) {
        let path = target.root().join(name);
        fs::remove_dir_all(&path).with_context(|| format!("Failed to remove {}", path.display()))?;
    }
    fs::remove_file(target.activating()).context("Failed to remove a record of this program")
}

/// Removes a loader.conf that is not whole. systemd-boot-builder.py (26.11) writes none where it is (`open("x")`), and so no boot menu.
pub(super) fn remove_loader_conf(plan: &Plan, target: &Target) -> Result<()> {
    let boot = plan.facts.boot.as_ref();
    boot.map_or(Ok(()), |boot| remove(&target.loader_conf_in_writing(&boot.esp)))
}
