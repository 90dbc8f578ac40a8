//! The check for the machine that a report describes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::checked_directory::{IsoDirectory, without_config_dir};
use crate::diagnostic::{Diagnostic, MachineProblem, Place};
use crate::iso::copied::is_excluded;
use crate::iso::flake_template::CONFIG_DIR;
use crate::live::decisions::Firmware;
use crate::locked_directory::LockedDirectory;
use crate::nix::eval::{self, Evaluation};
use crate::nix::facts::Facts;
use crate::plan::machine::{self, Installation, MachineReport};
use crate::process::Runner;
use crate::text::printable;
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
    /// What is reported where no error was found.
    pub fn summary(&self) -> String {
        let title = printable(&self.report.title()).replace('\n', " ");
        let MachineReport {
            disks,
            hardware_configuration,
            memory_bytes,
            secure_boot,
            firmware,
            ..
        } = &self.report;
        let absent = [
            (disks.is_empty(), "its disks"),
            (
                hardware_configuration.is_none(),
                "its hardware configuration (that of the tree was used)",
            ),
            (memory_bytes.is_none(), "its memory"),
            (*firmware == Firmware::Efi && secure_boot.is_none(), "Secure Boot"),
        ];
        let absent: Vec<&str> = absent
            .iter()
            .filter(|(absent, _)| *absent)
            .map(|(_, name)| *name)
            .collect();
        if absent.is_empty() {
            return format!("It can be installed on this machine: {title}.");
        }
        format!(
            "Nothing in the report is against installing it on this machine: {title}. Not checked, because the report does not say \
             anything about it: {}.",
            absent.join(", ")
        )
    }

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
    let named = iso.settings.hardware_config_of(host);
    let Ok(hardware) = hardware::choose(&iso.configuration, iso.kind, host, named.as_deref()) else {
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
    let (mut problems, mut failed) = machine::check(&to_come.report, &installation, &mut evaluate)?;
    if to_come.report.hardware_configuration.is_some() {
        for problem in problems.iter_mut().chain(&mut failed) {
            blame_report(problem, &hardware.path, &to_come.file);
        }
    }
    for problem in problems.iter_mut().filter(|problem| problem.place.is_none()) {
        problem.place = Some(Place {
            file: to_come.file.clone(),
            line: None,
            column: None,
        });
    }
    Ok((problems, failed))
}

/// Gives a problem in the hardware configuration the place where that came from: the report `file`.
fn blame_report(problem: &mut Diagnostic, hardware: &Path, file: &Path) {
    let Some(place) = problem.place.as_mut() else { return };
    if place.file != hardware && place.file != Path::new(CONFIG_DIR).join(hardware) {
        return;
    }
    let line = place
        .line
        .map_or_else(String::new, |line| format!(", near its line {line}"));
    let because = format!("This is in the hardware configuration in the report of the machine{line}.");
    problem.why = if problem.why.is_empty() {
        because
    } else {
        format!("{because}\n{}", problem.why)
    };
    *place = Place {
        file: file.to_owned(),
        line: None,
        column: None,
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::IsoHostProblem;

    #[test]
    fn what_the_report_lacks_is_called_not_checked() {
        let summary = |report: MachineReport| {
            let (file, host) = (PathBuf::new(), None);
            MachineToCome { report, file, host }.summary()
        };
        let said = summary(MachineReport {
            firmware: Firmware::Efi,
            ..MachineReport::default()
        });
        assert!(
            said.starts_with("Nothing in the report is against installing it on this machine: UEFI."),
            "{said}"
        );
        assert!(
            said.ends_with(
                "its disks, its hardware configuration (that of the tree was used), its memory, Secure Boot."
            ),
            "{said}"
        );
        let mut complete = MachineReport {
            hardware_configuration: Some(String::new()),
            memory_bytes: Some(16_000_000_000),
            secure_boot: Some(false),
            ..MachineReport::default()
        };
        complete.disks.resize_with(1, Default::default);
        let said = summary(complete);
        assert!(said.starts_with("It can be installed on this machine: "), "{said}");
    }

    #[test]
    fn a_channel_configuration_has_no_host_to_name() {
        let (file, report) = (PathBuf::new(), MachineReport::default());
        let host = Some("x".to_owned());
        let said = MachineToCome { report, file, host }.index(&[]).unwrap_err().to_string();
        assert!(
            said.contains("channel configuration") && !said.contains("It has"),
            "{said}"
        );
    }

    #[test]
    fn a_mistake_in_the_hardware_configuration_of_the_report_is_the_reports() {
        let problem = |file: &str| {
            let hosts = Vec::new();
            let mut problem = Diagnostic::from(IsoHostProblem::Several { hosts }).at(file, Some(3), None);
            blame_report(&mut problem, Path::new("hosts/hw.nix"), Path::new("/m.json"));
            problem
        };
        for file in ["hosts/hw.nix", "nix-cfg/hosts/hw.nix"] {
            let said = problem(file).to_string();
            assert!(
                said.contains("where: /m.json\n") && said.contains("near its line 3"),
                "{said}"
            );
        }
        assert!(problem("hw.nix").to_string().contains("where: hw.nix:3\n"));
    }
}
