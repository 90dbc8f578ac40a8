//! What the live system remembers of an installation whose disk Calamares or disko partitioned, so that a later run goes on:
//! only the one that began knows the machine, and Calamares can be set to unmount the disk after a failure (nixpkgs', to 2026, is
//! not). In memory: gone after a restart.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::installer_facts::InstallerFacts;
use crate::live::mounts::{self, Mount};

const FILE: &str = "/run/nix-cfg-install/begun.json";

/// An installation that was begun.
#[derive(Serialize, Deserialize)]
pub struct Begun {
    target: PathBuf,
    /// How its disk was mounted.
    pub mounts: Vec<Mount>,
    /// What was known of the machine.
    pub machine: InstallerFacts,
    /// What was answered on its pages.
    pub answers: Answers,
}

/// Writes down how `target` is mounted, what its machine is, and what was answered.
///
/// # Errors
/// When the live system's /run cannot be written.
pub fn keep(target: &Path, machine: &InstallerFacts, answers: &Answers) -> Result<()> {
    let begun = Begun {
        target: target.to_owned(),
        mounts: mounts::disks(mounts::below(target)),
        machine: machine.clone(),
        answers: answers.clone(),
    };
    write(Path::new(FILE), &begun).with_context(|| format!("Failed to write {FILE}"))
}

fn write(file: &Path, begun: &Begun) -> Result<()> {
    if let Some(directory) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    serde_json::to_writer(file, begun)?;
    Ok(())
}

/// The installation to `target` that was begun, if there is one.
pub fn begun(target: &Path) -> Option<Begun> {
    load(Path::new(FILE), target)
}

fn load(file: &Path, target: &Path) -> Option<Begun> {
    // Absent, or from another version: then nothing was begun.
    let begun: Begun = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let same = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    (same(&begun.target) == same(target)).then_some(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_target_that_calamares_mounted_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("run/begun.json");
        let target = directory.path().join("calamares-root-x");
        fs::create_dir(&target).unwrap();
        assert!(load(&file, &target).is_none());
        let begun = Begun {
            target: target.join("."),
            mounts: Vec::new(),
            machine: InstallerFacts {
                grub_device: Some("/dev/sda".to_owned()),
                ..InstallerFacts::default()
            },
            answers: Answers::from([("timezone".to_owned(), "UTC".to_owned())]),
        };
        write(&file, &begun).unwrap();
        let loaded = load(&file, &target).unwrap();
        assert_eq!((loaded.machine, loaded.answers), (begun.machine, begun.answers));
        assert!(load(&file, directory.path()).is_none());
    }
}
