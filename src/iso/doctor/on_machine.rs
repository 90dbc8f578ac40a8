//! The check for the machine that a report describes.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::checked_directory::{IsoDirectory, without_config_dir};
use crate::diagnostic::{Diagnostic, MachineProblem, Place};
use crate::iso::copied::is_excluded;
use crate::iso::flake_template::CONFIG_DIR;
use crate::locked_directory::LockedDirectory;
use crate::nix::eval::{self, Evaluation};
use crate::nix::facts::Facts;
use crate::plan::machine::{self, Installation, MachineReport};
use crate::process::Runner;
use crate::tree::feature::NotCovered;
use crate::tree::hardware;
use crate::tree::snapshot::Copier;

/// A machine to come.
pub struct MachineToCome {
    /// Its report, and the file that has it.
    pub report: MachineReport,
    pub file: PathBuf,
    /// Which of the hosts it becomes.
    pub host: Option<String>,
}

impl MachineToCome {
    /// The place of its host among `hosts`, those of the ISO; 0 for a channel configuration.
    pub(super) fn index(&self, hosts: &[String]) -> Result<usize> {
        let all = || hosts.to_vec();
        match (&self.host, hosts) {
            (None, [] | [_]) => Ok(0),
            (None, _) => Err(MachineProblem::HostNeeded { hosts: all() }.into()),
            (Some(host), _) => match hosts.iter().position(|known| known == host) {
                Some(index) => Ok(index),
                None => Err(MachineProblem::HostUnknown {
                    host: host.clone(),
                    hosts: all(),
                }
                .into()),
            },
        }
    }
}

/// What is wrong with the system of the ISO's target `index` on that machine, and why it cannot be evaluated with the machine's
/// hardware configuration. `channels` are the names of those that the ISO has; `not_covered` is what it is made without.
pub(super) fn problems(
    (iso, runner): (&IsoDirectory, &Runner),
    to_come: &MachineToCome,
    (index, channels): (usize, &[String]),
    not_covered: &[NotCovered],
) -> Result<(Vec<Diagnostic>, Option<Diagnostic>)> {
    let host = iso.spec.hosts.get(index).map(String::as_str);
    let named = iso.settings.hardware_config.as_deref();
    let Ok(hardware) = hardware::choose(&iso.configuration, iso.kind, host, named) else {
        // It is reported already that it is not certain.
        return Ok((Vec::new(), None));
    };
    let copy = LockedDirectory::private().context("Failed to make a temporary directory")?;
    let dir = copy.path().join("iso");
    fs::create_dir(&dir).with_context(|| format!("Failed to create {}", dir.display()))?;
    let copier = Copier {
        owners: None,
        interrupt: runner.interrupt(),
        exclude: Some(is_excluded),
    };
    let from = File::open(&iso.dir).with_context(|| format!("Failed to read {}", iso.dir.display()))?;
    copier.copy(&from.into(), &dir)?;
    let mut evaluate = || {
        let mut evaluation = eval::evaluate_target(runner, &dir, channels, index, false)?;
        name_files(&mut evaluation);
        Ok(evaluation)
    };
    let installation = Installation {
        root: &dir.join(CONFIG_DIR),
        hardware: &hardware,
        installs_boot_loader: !iso.settings.no_bootloader,
        graphical: iso.spec.desktop != "none",
        not_covered,
    };
    let (mut problems, failed) = machine::check(&to_come.report, &installation, &mut evaluate)?;
    for problem in problems.iter_mut().filter(|problem| problem.place.is_none()) {
        problem.place = Some(Place {
            file: to_come.file.clone(),
            line: None,
            column: None,
        });
    }
    Ok((problems, failed))
}

/// Names the files of definitions as where the configuration alone is evaluated: without its directory in that of the ISO.
pub(super) fn name_files(Evaluation { facts, .. }: &mut Evaluation) {
    if let Some(facter) = &mut facts.facter {
        facter.file = without_config_dir(&facter.file);
    }
    let Facts { disks: Some(disks), .. } = facts else {
        return;
    };
    let systems = disks.file_systems.iter_mut();
    let set = systems.flat_map(|system| system.set.iter_mut().chain(&mut system.kind_set));
    for definition in set.chain(disks.luks.iter_mut().flat_map(|volume| &mut volume.set)) {
        definition.file = without_config_dir(&definition.file);
    }
}
