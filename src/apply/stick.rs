//! The stick with the answers file: a file system with the label NIXCFG. It is mounted read-only, but while something is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::sync;

use crate::diagnostic::AnswersFileProblem;
use crate::live::mounts::{self, Mount};
use crate::process::{Invocation, Runner};

/// Where it is mounted.
pub const PLACE: &str = "/run/nix-cfg-install/stick";

const LABEL: &str = "NIXCFG";

/// What nothing on the stick can do.
const SAFE: &str = "nosuid,nodev,noexec";

/// Mounts the stick, if there is one, and returns its device.
///
/// # Errors
/// When several file systems have the label, and when it cannot be mounted.
pub fn mount(runner: &Runner) -> Result<Option<PathBuf>> {
    let devices = labelled(runner)?;
    if devices.len() > 1 {
        return Err(AnswersFileProblem::SeveralSticks { devices }.into());
    }
    let place = Path::new(PLACE);
    if let Some(mounted) = mounts::at(place) {
        if devices.contains(&mounted.source) {
            return Ok(devices.into_iter().next());
        }
        // It was taken out, and may have come back, changed, as another device.
        runner.output(&Invocation::new("umount").arg("--lazy").arg(place))?;
    }
    let Some(device) = devices.into_iter().next() else {
        return Ok(None);
    };
    fs::create_dir_all(place).with_context(|| format!("Failed to make {PLACE}"))?;
    let mount = |options: &str| Invocation::new("mount").args(["-o", options]);
    // The kernel does not mount it read-only beside a desktop that mounted it to be written.
    match mounted_elsewhere(&device) {
        Some(at) => {
            runner.output(&mount("bind").arg(at).arg(place))?;
            runner.output(&mount(&format!("remount,bind,ro,{SAFE}")).arg(place))?;
        }
        None => drop(runner.output(&mount(&format!("ro,{SAFE}")).arg(&device).arg(place))?),
    }
    Ok(Some(device))
}

/// The devices of the file systems with the label.
fn labelled(runner: &Runner) -> Result<Vec<PathBuf>> {
    // What an earlier run saw may be gone.
    let arguments = ["-c", "/dev/null", "-o", "device", "-t", &format!("LABEL={LABEL}")];
    // It fails where there is none.
    let found = runner.run(&Invocation::new("blkid").args(arguments), &mut |_, _| {})?;
    Ok(found.text().unwrap_or_default().lines().map(PathBuf::from).collect())
}

/// Where else the whole file system of `device` is mounted.
fn mounted_elsewhere(device: &Path) -> Option<PathBuf> {
    let mut all = mounts::below(Path::new("/")).into_iter();
    let is_whole = |mount: &Mount| mount.source == device && mount.part == Path::new("/");
    all.rfind(|mount| is_whole(mount) && mount.at != Path::new(PLACE))
        .map(|mount| mount.at)
}

/// Writes files to the stick, by their names there, and returns whether it is mounted. One that does not fit is not there in part.
///
/// # Errors
/// When it is read-only or full.
pub fn write(runner: &Runner, files: &[(String, Vec<u8>)]) -> Result<bool> {
    let Some(mounted) = mounts::at(Path::new(PLACE)) else {
        return Ok(false);
    };
    let remount = |options: &str| {
        let options = format!("remount,{options},{SAFE}");
        runner.output(&Invocation::new("mount").args(["-o", &options, PLACE]))
    };
    remount("rw")?;
    let mut written = Ok(());
    for (name, contents) in files {
        let put = put(&Path::new(PLACE).join(name), contents);
        written = written.and(put.with_context(|| format!("Failed to write {name}")));
    }
    sync();
    let is_shared = mounted_elsewhere(&mounted.source).is_some();
    remount(if is_shared { "bind,ro" } else { "ro" })?;
    written.map(|()| true)
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
