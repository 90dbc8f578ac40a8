//! `mode: update` of an answers file: which system of this machine it is, and how it is mounted.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use secrecy::SecretString;

use super::disk_questions;
use crate::answers_file::{Entry, NamedPassphrase};
use crate::diagnostic::{Diagnostic, InstalledSystemProblem, Lock, LookedAt, UpdateProblem};
use crate::interrupt::Interrupt;
use crate::live::block_devices::{SYS, number, parts};
use crate::live::disk_mark::{IsoIdentity, Stage};
use crate::live::earlier_receipt::Receipt;
use crate::live::efi_variables::is_hibernated;
use crate::live::encrypted_volume::{MAPPINGS, OpenVolume};
use crate::live::installed_system::{Access, InstalledSystem, systems_on, unmount};
use crate::live::mounts;
use crate::live::resume;
use crate::live::target::Target;
use crate::live::target_lock::{LOCKS, TargetLock};
use crate::live::this_machine::{Candidate, LIVE, ThisMachine};
use crate::live::volumes::{Volume, volumes};
use crate::plan::observed::EFIVARS;
use crate::plan::request::Update;
use crate::process::Runner;
use crate::progress::Reporter;
use crate::store_path::store_name;

/// The passphrase of encrypted volumes that are there, if the `entry` has one.
///
/// # Errors
/// When its file cannot be read; when nobody can be asked.
pub fn passphrase(entry: &Entry, interrupt: &Interrupt, report: &Reporter) -> Result<Option<SecretString>> {
    Ok(match &entry.passphrase {
        Some(NamedPassphrase::File(file)) => Some(disk_questions::in_file(file, interrupt)?),
        Some(NamedPassphrase::Prompt) => Some(disk_questions::ask_existing_passphrase(interrupt, report)?),
        None => None,
    })
}

/// A system of this machine that can be mounted at the target. What is mounted is unmounted with this value, unless it is to be
/// written to.
struct Mountable {
    system: InstalledSystem,
    /// The disk that its store is on.
    disk: Candidate,
    /// All that the machine's disks have.
    volumes: Vec<Volume>,
    target: PathBuf,
    runner: Runner,
    stays: Cell<bool>,
}

impl Mountable {
    fn mount(&self, access: Access) -> Result<()> {
        let volumes = (&*self.volumes, &*self.disk.path);
        self.system.mount(&self.runner, volumes, &self.target, access)
    }

    fn unmount(&self) -> Result<()> {
        unmount(&self.runner, &self.target)
    }

    /// What was written when it was installed, if this program did that.
    fn receipt(&self) -> Result<Option<Receipt>> {
        self.mount(Access::Look)?;
        let receipt = Receipt::load(&Target::new(&self.target));
        self.unmount()?;
        match receipt {
            Err(UpdateProblem::NoReceipt { .. }) => Ok(None),
            receipt => Ok(Some(receipt?)),
        }
    }
}

impl Drop for Mountable {
    fn drop(&mut self) {
        if !self.stays.get()
            && let Err(error) = self.unmount()
        {
            // The next run unmounts it.
            log::warn!("{error:#}");
        }
    }
}

/// The machine's disks, and what is on them.
struct Disks<'a> {
    runner: &'a Runner,
    /// Those that are searched.
    wanted: Vec<&'a Candidate>,
    volumes: Vec<Volume>,
    locks: BTreeMap<PathBuf, Lock>,
    open: Vec<OpenVolume>,
}

impl<'a> Disks<'a> {
    fn read(machine: &'a ThisMachine, chosen: &[&PathBuf], runner: &'a Runner) -> Result<Self> {
        let is_wanted = |disk: &&Candidate| match chosen {
            [] => !disk.only_named,
            some => some.contains(&&disk.path),
        };
        let (wanted, others): (Vec<&Candidate>, Vec<_>) = machine.disks.iter().partition(is_wanted);
        // What is made of several disks is found on the first.
        let disks: Vec<PathBuf> = wanted.iter().chain(&others).map(|disk| disk.path.clone()).collect();
        Ok(Self {
            runner,
            wanted,
            volumes: volumes(runner, &disks)?,
            locks: BTreeMap::new(),
            open: Vec::new(),
        })
    }

    /// What is searched, with the disk that it is on.
    fn searched(&self) -> impl Iterator<Item = (&Volume, &'a Candidate)> {
        let disk = |volume: &Volume| self.wanted.iter().copied().find(|disk| disk.path == volume.disk);
        let searched = self
            .volumes
            .iter()
            .filter_map(move |volume| Some((volume, disk(volume)?)));
        let mut before: Vec<&Volume> = Vec::new();
        searched.filter(move |(volume, _)| {
            let is_known = before.iter().any(|other| volume.is_part_of_same(other));
            before.push(volume);
            !is_known
        })
    }

    /// Opens the encrypted volumes, those of the machine's other disks as well.
    fn unlock(&mut self, passphrase: Option<&SecretString>) -> Result<()> {
        let locked = self
            .volumes
            .iter()
            .filter_map(|volume| Some((volume.clone(), volume.mapping()?)));
        for (volume, name) in locked.collect::<Vec<_>>() {
            let is_open = number(&volume.device).is_some_and(|number| parts(Path::new(SYS), &number).len() > 1);
            let lock = match passphrase {
                // By a run that was killed, or by a person: what is in it is known.
                _ if is_open => Lock::Open,
                None => Lock::NoPassphrase,
                Some(passphrase) => match OpenVolume::open(self.runner, &volume.device, &name, passphrase)? {
                    None => Lock::OtherPassphrase,
                    Some(open) => {
                        self.add(open, &volume.disk, passphrase)?;
                        Lock::Open
                    }
                },
            };
            self.locks.insert(volume.device, lock);
        }
        Ok(())
    }

    /// Fails where one of the disks of `machine` holds the memory of a system that would go on with its file systems as they were. A stick
    /// is no part of the machine, unless it is searched.
    fn require_not_hibernated(&self, machine: &ThisMachine) -> Result<()> {
        let is_searched = |disk: &Candidate| self.wanted.contains(&disk);
        let is_own = |volume: &&Volume| {
            let mut disks = machine.disks.iter().filter(|disk| disk.path == volume.disk);
            disks.any(|disk| !disk.only_named || is_searched(disk))
        };
        let image = self
            .volumes
            .iter()
            .filter(is_own)
            .find(|volume| volume.is_memory_image());
        if image.is_none() && !is_hibernated(Path::new(EFIVARS)) {
            return Ok(());
        }
        let image = image.map(|volume| volume.device.clone());
        Err(InstalledSystemProblem::Hibernated { image }.into())
    }

    /// Adds what is in an encrypted volume, under the name that the system has for it which is there.
    fn add(&mut self, mut open: OpenVolume, disk: &Path, passphrase: &SecretString) -> Result<()> {
        let mut inside = Volume::read(self.runner, open.inside(), disk)?;
        // What cannot be mounted is found so once more.
        for system in systems_on(self.runner, &inside).unwrap_or_default() {
            let device = system.store_device().map(Path::new);
            let name = device.and_then(|device| device.strip_prefix(MAPPINGS).ok()?.to_str());
            if let Some(name) = name.filter(|name| !Path::new(MAPPINGS).join(name).exists()) {
                open.rename(name, passphrase)?;
            }
        }
        inside.device = open.inside();
        self.volumes.push(inside);
        self.open.push(open);
        Ok(())
    }
}

/// The systems that are found, and what is not one.
#[derive(Default)]
struct Search {
    found: Vec<UpdatedSystem>,
    /// The devices of those that could not be mounted, and why.
    failed: Vec<(PathBuf, anyhow::Error)>,
    looked_at: Vec<LookedAt>,
}

impl Search {
    /// Looks at a `volume`, which is on `disk`.
    fn look(&mut self, (volume, disk): (&Volume, &Candidate), disks: &Disks<'_>, target: &Path) {
        let systems = systems_on(disks.runner, volume);
        let is_mountable = systems.is_ok();
        let mut is_foreign = false;
        for system in systems.unwrap_or_default() {
            let mountable = Mountable {
                system,
                disk: disk.clone(),
                volumes: disks.volumes.clone(),
                target: target.to_owned(),
                runner: disks.runner.for_cleanup(),
                stays: Cell::default(),
            };
            match mountable.receipt() {
                Ok(Some(receipt)) => self.found.push(UpdatedSystem {
                    mountable,
                    receipt,
                    open: Vec::new(),
                }),
                Ok(None) => is_foreign = true,
                Err(error) => self.failed.push((volume.device.clone(), error)),
            }
        }
        self.looked_at.push(LookedAt {
            device: volume.device.clone(),
            kind: volume.kind().map(str::to_owned),
            is_mountable,
            is_foreign,
            lock: disks.locks.get(&volume.device).copied(),
        });
    }

    /// The only one.
    fn only(mut self) -> Result<UpdatedSystem> {
        match (self.found.len(), self.failed.len()) {
            (1, 0) => self.found.pop().context("There is no system"),
            (0, 0) => {
                let volumes = self.looked_at;
                Err(InstalledSystemProblem::None { volumes }.into())
            }
            (0, 1) => Err(self.failed.remove(0).1),
            _ => {
                let found = self.found.iter().map(UpdatedSystem::title);
                let failed = self.failed.iter();
                let failed = failed.map(|(device, error)| format!("{}: {error:#}", device.display()));
                let systems = found.chain(failed).collect();
                Err(InstalledSystemProblem::Several { systems }.into())
            }
        }
    }
}

/// The system that is updated.
pub struct UpdatedSystem {
    // Unmounted before what it is on is closed.
    mountable: Mountable,
    pub receipt: Receipt,
    open: Vec<OpenVolume>,
}

impl UpdatedSystem {
    /// The only system that this program has installed on the disks that were `chosen`, which are some of `machine`; where none were, on
    /// all but sticks, cards and USB disks. It is mounted at `target` to look at it. `passphrase` is that of encrypted volumes.
    ///
    /// # Errors
    /// [`InstalledSystemProblem`]; what `mount` says.
    pub fn find(
        machine: &ThisMachine,
        chosen: &[&PathBuf],
        passphrase: Option<&SecretString>,
        target: &Path,
        (runner, report): (&Runner, &Reporter),
    ) -> Result<Self> {
        let mut disks = Disks::read(machine, chosen, runner)?;
        make_way(runner, &disks.volumes, target)?;
        disks.unlock(passphrase)?;
        disks.require_not_hibernated(machine)?;
        let mut search = Search::default();
        for volume_and_disk in disks.searched() {
            search.look(volume_and_disk, &disks, target);
        }
        let hidden = search.looked_at.iter().filter(|one| one.may_hide_one());
        let hidden: Vec<String> = hidden.map(ToString::to_string).collect();
        let only = search.only()?;
        if !hidden.is_empty() {
            report.note(&format!("No system was looked for on {}.", hidden.join(", ")));
        }
        only.mountable.mount(Access::Look)?;
        Ok(Self {
            open: disks.open,
            ..only
        })
    }

    /// The disk that its store is on.
    #[must_use]
    pub fn disk(&self) -> &Candidate {
        &self.mountable.disk
    }

    /// Mounts it to be written to.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn mount_for_writing(&self) -> Result<()> {
        self.mountable.unmount()?;
        self.mountable.mount(Access::Write)?;
        self.mountable.stays.set(true);
        self.open.iter().for_each(OpenVolume::keep);
        Ok(())
    }

    /// As a person recognizes it.
    #[must_use]
    pub fn title(&self) -> String {
        let receipt = &self.receipt;
        let host = receipt.host.as_deref().unwrap_or(&receipt.identity.host_name);
        let host = if host.is_empty() {
            String::new()
        } else {
            format!("{host}, ")
        };
        let from = receipt.live_system.as_deref().map(store_name);
        let from = from.map_or_else(String::new, |iso| format!(" from {iso}"));
        format!("{}: {host}installed on {}{from}", self.disk().title(), receipt.finished)
    }

    /// The problem of one that has the system of this ISO.
    ///
    /// # Errors
    /// When the ISO cannot be read.
    pub fn up_to_date(&self) -> Result<Option<Diagnostic>> {
        let iso = IsoIdentity::read(Path::new(LIVE)).context("Failed to read the ISO")?;
        let is_same = self.receipt.iso == Some(iso.guid(Stage::Installed));
        let disk = self.disk().lasting_name();
        Ok(is_same.then(|| InstalledSystemProblem::UpToDate { disk }.into()))
    }

    /// What is asked for by the `entry` of the machine.
    #[must_use]
    pub fn update(&self, entry: &Entry) -> Update {
        Update {
            receipt: self.receipt.clone(),
            take: entry.take,
            older: entry.older,
            host_is_named: entry.host.is_some(),
            is_looked_at: true,
            running: None,
        }
    }
}

/// Unmounts what a run that was killed has mounted at `target`: nothing but what is on `volumes`.
fn make_way(runner: &Runner, volumes: &[Volume], target: &Path) -> Result<()> {
    let of_machine: Vec<_> = volumes.iter().filter_map(|volume| number(&volume.device)).collect();
    let mut mounted = mounts::disks(mounts::below(target)).into_iter();
    let is_other = |source: &PathBuf| number(source).is_none_or(|number| !of_machine.contains(&number));
    if mounts::at(target).is_some() && mounted.any(|mount| is_other(&mount.source)) {
        let target = target.to_owned();
        return Err(InstalledSystemProblem::TargetInUse { target }.into());
    }
    // Another run may be at work on it.
    if mounts::at(target).is_some() {
        drop(TargetLock::take(&Target::new(target), target, Path::new(LOCKS))?);
    }
    unmount(runner, target)?;
    // It is not the installation that this one would go on with.
    if resume::begun(target).is_some() {
        resume::forget()?;
    }
    Ok(())
}
