//! What the live system made of a disk by itself, or an earlier run left: logical volumes, arrays, opened volumes. While they are there, the
//! kernel does not take a new partition table.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::live::block_devices::{is_array, is_mapping_of_crypt, is_uppermost, made_of, mapping_name, node, number};
use crate::process::{Invocation, Runner};

/// Stops all of them, what lies on another before that. Nothing of them is in use.
///
/// # Errors
/// When one cannot be stopped.
pub fn release(sys: &Path, disk: &Path, runner: &Runner) -> Result<()> {
    let Some(disk) = number(disk) else { return Ok(()) };
    let mut stopped = BTreeSet::new();
    while let Some(made) = made_of(sys, &disk).find(|made| is_uppermost(sys, made) && !stopped.contains(made)) {
        runner.output(&stop(sys, &made))?;
        stopped.insert(made);
    }
    Ok(())
}

/// What is made of the disk with this number, and nothing here can stop: the device of a cache, for instance.
pub fn not_stoppable(sys: &Path, disk: &str) -> impl Iterator<Item = String> {
    made_of(sys, disk).filter(|made| mapping_name(sys, made).is_none() && !is_array(sys, made))
}

/// What stops a mapping or an array.
fn stop(sys: &Path, made: &str) -> Invocation {
    match mapping_name(sys, made) {
        Some(name) if is_mapping_of_crypt(sys, made) => Invocation::new("cryptsetup").args(["close", "--"]).arg(name),
        // udev may still be reading it.
        Some(name) => Invocation::new("dmsetup").args(["remove", "--retry", "--"]).arg(name),
        None => Invocation::new("mdadm")
            .arg("--stop")
            .arg(node(sys, made).unwrap_or_default()),
    }
}
