//! What the live system remembers of an installation whose disk Calamares or disko partitioned, so that a later run goes on:
//! only the one that began knows the machine, and Calamares can be set to unmount the disk after a failure (nixpkgs', to 2026, is
//! not). In memory: gone after a restart.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::answers::Answers;
use super::installer_facts::InstallerFacts;
use crate::live::block_devices::number;
use crate::live::mounts::{self, Mount};
use crate::nix::disko::Mode;

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
    /// The layout for disko that was made for it.
    pub layout: Option<BegunLayout>,
}

/// A layout for disko that was made, or was being made when the run was killed.
#[derive(Clone, Serialize, Deserialize)]
pub struct BegunLayout {
    pub mode: Mode,
    /// Its disks: devices by their names in it.
    pub disks: BTreeMap<String, String>,
    /// The host that it is of.
    pub host: Option<String>,
    /// The swap that was in use before.
    pub swaps: Vec<PathBuf>,
    pub is_made: bool,
}

impl BegunLayout {
    /// The options that it is asked for with.
    #[must_use]
    pub fn command_line(&self) -> String {
        let disks = self
            .disks
            .iter()
            .map(|(name, device)| format!(" --disk {name}={device}"));
        let host = self.host.iter().map(|host| format!(" --host {host}"));
        format!("--disko {}{}", self.mode.name(), disks.chain(host).collect::<String>())
    }

    /// Whether it is the one that is asked for now: with these disks (all others as the configuration has them), for this host.
    /// One that is to be erased is another one.
    #[must_use]
    pub fn is_meant(&self, mode: Mode, disks: &BTreeMap<String, String>, host: Option<&str>) -> bool {
        let same = |(name, device): (&String, &String)| {
            let begun = self.disks.get(name);
            begun.is_some_and(|begun| begun == device || number(device).is_some_and(|one| number(begun) == Some(one)))
        };
        (mode != Mode::Wipe || self.mode == Mode::Wipe)
            && disks.iter().all(same)
            && host.is_none_or(|host| self.host.as_deref() == Some(host))
    }
}

impl Begun {
    /// Whether the disk is ready for the installation.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.layout.as_ref().is_none_or(|layout| layout.is_made)
    }

    /// Whether all that was mounted at the target still is.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        let now = mounts::below(&self.target);
        let same =
            |one: &Mount, other: &Mount| (&one.source, &one.part, &one.at) == (&other.source, &other.part, &other.at);
        !self.mounts.is_empty() && self.mounts.iter().all(|one| now.iter().any(|other| same(one, other)))
    }
}

/// Writes down how `target` is mounted, what its machine is, what was answered, and the `layout` for disko that was made.
///
/// # Errors
/// When the live system's /run cannot be written.
pub fn keep(target: &Path, machine: &InstallerFacts, answers: &Answers, layout: Option<BegunLayout>) -> Result<()> {
    let begun = Begun {
        target: target.to_owned(),
        mounts: mounts::disks(mounts::below(target)),
        machine: machine.clone(),
        answers: answers.clone(),
        layout,
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

/// Forgets what was begun.
///
/// # Errors
/// When the live system's /run cannot be written.
pub fn forget() -> Result<()> {
    fs::remove_file(FILE).with_context(|| format!("Failed to remove {FILE}"))
}

/// The installation to `target` that was begun, if there is one.
pub fn begun(target: &Path) -> Option<Begun> {
    load(Path::new(FILE), target)
}

/// The target of the installation that was begun, if there is one.
#[must_use]
pub fn begun_target() -> Option<PathBuf> {
    read(Path::new(FILE)).map(|begun| begun.target)
}

fn read(file: &Path) -> Option<Begun> {
    // Absent, or from another version: then nothing was begun.
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn load(file: &Path, target: &Path) -> Option<Begun> {
    let begun = read(file)?;
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
            layout: None,
        };
        write(&file, &begun).unwrap();
        let loaded = load(&file, &target).unwrap();
        assert_eq!((loaded.machine, loaded.answers), (begun.machine, begun.answers));
        assert!(load(&file, directory.path()).is_none());
    }

    #[test]
    fn a_layout_with_another_disk_or_host_or_that_is_to_be_erased_is_another_one() {
        let begun = |mode| BegunLayout {
            mode,
            disks: BTreeMap::from([("main".to_owned(), "/dev/none-a".to_owned())]),
            host: Some("server".to_owned()),
            swaps: Vec::new(),
            is_made: true,
        };
        let disks = |name: &str, device: &str| BTreeMap::from([(name.to_owned(), device.to_owned())]);
        let none = BTreeMap::new();
        let wiped = begun(Mode::Wipe);
        assert!(wiped.is_meant(Mode::Wipe, &none, None));
        assert!(wiped.is_meant(Mode::Mount, &disks("main", "/dev/none-a"), Some("server")));
        assert!(!wiped.is_meant(Mode::Wipe, &disks("main", "/dev/none-b"), None));
        assert!(!wiped.is_meant(Mode::Wipe, &disks("more", "/dev/none-a"), None));
        assert!(!wiped.is_meant(Mode::Wipe, &none, Some("laptop")));
        assert!(!begun(Mode::Mount).is_meant(Mode::Wipe, &none, None));
    }
}
