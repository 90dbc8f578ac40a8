//! `mode: update` of an answers file: which system of this machine it is, and how it is mounted.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::answers_file::Entry;
use crate::diagnostic::{Diagnostic, InstalledSystemProblem, LookedAt, UpdateProblem};
use crate::live::block_devices::number;
use crate::live::disk_mark::{IsoIdentity, Stage};
use crate::live::earlier_receipt::Receipt;
use crate::live::installed_system::{Access, InstalledSystem, Volume, systems_on, unmount, volumes};
use crate::live::mounts;
use crate::live::resume;
use crate::live::target::Target;
use crate::live::this_machine::{Candidate, LIVE, ThisMachine};
use crate::plan::request::Update;
use crate::process::Runner;
use crate::store_path::store_name;

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
        self.system.mount(&self.runner, &self.volumes, &self.target, access)
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

/// The systems that are found, and what is not one.
#[derive(Default)]
struct Search {
    found: Vec<UpdatedSystem>,
    /// Why one could not be mounted.
    failed: Option<anyhow::Error>,
    looked_at: Vec<LookedAt>,
}

impl Search {
    /// Looks at one of `volumes`, which is on `disk`.
    fn look(&mut self, (volume, disk): (&Volume, &Candidate), volumes: &[Volume], target: &Path, runner: &Runner) {
        let systems = systems_on(runner, volume);
        let is_mountable = systems.is_ok();
        let mut is_foreign = false;
        for system in systems.unwrap_or_default() {
            let mountable = Mountable {
                system,
                disk: disk.clone(),
                volumes: volumes.to_vec(),
                target: target.to_owned(),
                runner: runner.for_cleanup(),
                stays: Cell::default(),
            };
            match mountable.receipt() {
                Ok(Some(receipt)) => self.found.push(UpdatedSystem { mountable, receipt }),
                Ok(None) => is_foreign = true,
                Err(error) => self.failed = self.failed.take().or(Some(error)),
            }
        }
        self.looked_at.push(LookedAt {
            device: volume.device.clone(),
            kind: volume.kind().map(str::to_owned),
            is_mountable,
            is_foreign,
        });
    }

    /// The only one.
    fn only(mut self) -> Result<UpdatedSystem> {
        match (self.found.pop(), self.found.is_empty(), self.failed) {
            (Some(only), true, _) => Ok(only),
            (Some(last), false, _) => {
                let systems = self.found.iter().chain([&last]).map(UpdatedSystem::title).collect();
                Err(InstalledSystemProblem::Several { systems }.into())
            }
            (None, _, Some(error)) => Err(error),
            (None, ..) => {
                let volumes = self.looked_at;
                Err(InstalledSystemProblem::None { volumes }.into())
            }
        }
    }
}

/// The system that is updated.
pub struct UpdatedSystem {
    mountable: Mountable,
    pub receipt: Receipt,
}

impl UpdatedSystem {
    /// The only system that this program has installed on the disks that were `chosen`, which are some of `machine`; where none were, on
    /// all but sticks and cards. It is mounted at `target` to look at it.
    ///
    /// # Errors
    /// [`InstalledSystemProblem`]; what `mount` says.
    pub fn find(machine: &ThisMachine, chosen: &[&PathBuf], target: &Path, runner: &Runner) -> Result<Self> {
        let is_wanted = |disk: &&Candidate| match chosen {
            [] => !disk.only_named,
            some => some.contains(&&disk.path),
        };
        let (wanted, others): (Vec<&Candidate>, Vec<_>) = machine.disks.iter().partition(is_wanted);
        // What is made of several disks is found on the first.
        let disks: Vec<PathBuf> = wanted.iter().chain(&others).map(|disk| disk.path.clone()).collect();
        let volumes = volumes(runner, &disks)?;
        make_way(runner, &volumes, target)?;
        let mut search = Search::default();
        for disk in wanted {
            for volume in volumes.iter().filter(|volume| volume.disk == disk.path) {
                search.look((volume, disk), &volumes, target, runner);
            }
        }
        let only = search.only()?;
        only.mountable.mount(Access::Look)?;
        Ok(only)
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
    unmount(runner, target)?;
    // It is not the installation that this one would go on with.
    if resume::begun(target).is_some() {
        resume::forget()?;
    }
    Ok(())
}
