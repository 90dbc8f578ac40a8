//! The stick with the answers file: a file system with the label NIXCFG. It is mounted read-only, but while something is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::sync;

use crate::live::mounts;
use crate::process::{Invocation, Runner};

/// Where it is mounted.
pub const PLACE: &str = "/run/nix-cfg-install/stick";

const LABEL: &str = "NIXCFG";

/// Mounts the stick, if there is one, and returns its device.
///
/// # Errors
/// When it cannot be mounted.
pub fn mount(runner: &Runner) -> Result<Option<PathBuf>> {
    if let Some(mounted) = mounts::at(Path::new(PLACE)) {
        return Ok(Some(mounted.source));
    }
    // It fails where there is none.
    let found = runner.run(&Invocation::new("blkid").args(["-L", LABEL]), &mut |_, _| {})?;
    let device = PathBuf::from(found.text().unwrap_or_default());
    if !found.status.success() || device.as_os_str().is_empty() {
        return Ok(None);
    }
    fs::create_dir_all(PLACE).with_context(|| format!("Failed to make {PLACE}"))?;
    let mount = Invocation::new("mount").args(["-o", "ro,nosuid,nodev,noexec"]);
    runner.output(&mount.arg(&device).arg(PLACE))?;
    Ok(Some(device))
}

/// Writes files to the stick, by their names there, where it is mounted. One that does not fit is not there in part.
///
/// # Errors
/// When it is read-only or full.
pub fn write(runner: &Runner, files: &[(String, Vec<u8>)]) -> Result<()> {
    if mounts::at(Path::new(PLACE)).is_none() {
        return Ok(());
    }
    let remount = |options: &str| {
        let options = format!("remount,{options},nosuid,nodev,noexec");
        runner.output(&Invocation::new("mount").args(["-o", &options, PLACE]))
    };
    remount("rw")?;
    let mut written = Ok(());
    for (name, contents) in files {
        let put = put(&Path::new(PLACE).join(name), contents);
        written = written.and(put.with_context(|| format!("Failed to write {name}")));
    }
    sync();
    remount("ro")?;
    written
}

/// FAT has no permissions to set, and replaces a file by another.
fn put(path: &Path, contents: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&new)))
}
