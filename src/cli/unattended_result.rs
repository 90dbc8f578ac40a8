//! How an installation by an answers file ends: what is left on the stick, and what comes after.

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::sync;

use super::result_signals;
use super::unattended::Job;
use crate::age_recipient;
use crate::answers_file::{AfterInstallation, Entry};
use crate::apply::{Installation, host_keys, stick};
use crate::diagnostic::AnswersFileProblem;
use crate::interrupt::Interrupt;
use crate::live::this_machine::{LIVE, ThisMachine};
use crate::log_file::LogFile;
use crate::nix::environment::{Channels, Network, environment};
use crate::plan::Plan;
use crate::process::{Invocation, Runner};
use crate::progress::Reporter;

/// How it ends.
#[derive(Default)]
pub struct Ending {
    /// The end of the last line.
    pub text: &'static str,
    /// What was installed where, in a few words.
    pub summary: String,
    /// The program that ends the live system, if it ends.
    then: Option<&'static str>,
}

impl Ending {
    /// Leaves the receipt and the public host keys of an installation by an answers file on the stick; without one, shows the keys.
    /// Any other ends as it is.
    ///
    /// # Errors
    /// When a disk cannot be marked.
    pub fn of(job: Option<&Job>, plan: &Plan, installation: &Installation<'_>) -> Result<Self> {
        let Some(job) = job else { return Ok(Self::default()) };
        let (runner, report) = (installation.live.runner, installation.live.report);
        let target = installation.request.target.keeping(&plan.kept_at);
        let owner = plan.host.as_ref().unwrap_or(&job.machine);
        let secrets = plan.facts.secrets.as_ref();
        let public = secrets.map_or_else(String::new, |secrets| {
            host_keys::make(secrets, &target, owner, installation.live)
        });
        let recipients: String = public
            .lines()
            .filter_map(|line| Some(age_recipient::of_ssh_key(line)? + "\n"))
            .collect();
        let mut files = vec![(format!("receipt-{}.json", job.machine), fs::read(target.receipt())?)];
        if !public.is_empty() {
            files.push((format!("host-keys-{}.pub", job.machine), public.clone().into_bytes()));
        }
        if !recipients.is_empty() {
            files.push((
                format!("age-recipients-{}.txt", job.machine),
                recipients.clone().into_bytes(),
            ));
        }
        if !leave(&files, job.is_from_stick(), runner, report) {
            // What started over the network has none. The receipt is on the disk.
            for key in public.lines().chain(recipients.lines()) {
                report.note(&format!("Encrypt the secrets of this machine for: {key}"));
            }
        }
        // Last: a start after it does nothing more.
        // What a system was updated from is in its receipt: its disk may be another's as well.
        let is_marked = job.updated.is_some() || job.mark(runner, &job.installed)?;
        let (then, text) = after(&job.entry, is_marked || job.disks.is_empty());
        let disks = job.disks.iter().map(|disk| disk.display().to_string());
        let what: Vec<String> = plan.host.iter().cloned().chain(disks).collect();
        let summary = what.join(" ");
        Ok(Self { text, summary, then })
    }
}

/// The program that ends the live system, if it ends, and the end of the last line. `is_known`: whether the next start would know that
/// the system is installed.
fn after(entry: &Entry, is_known: bool) -> (Option<&'static str>, &'static str) {
    match entry.after {
        AfterInstallation::Stay => (
            None,
            " Before you restart, remove the stick; a machine that starts from the network needs its disk first in the firmware's order.",
        ),
        // It would be erased and installed again without end.
        AfterInstallation::Reboot if entry.reinstall => (
            None,
            " Not restarting: with `reinstall: true`, the next start would install it again. First remove the stick, or have the firmware start from the disk.",
        ),
        AfterInstallation::Reboot if !is_known => (
            None,
            " Not restarting: no disk could be marked, by which the next start would know that it is done. First remove the stick, or have the firmware start from the disk.",
        ),
        AfterInstallation::Reboot => (Some("reboot"), " Restarting."),
        AfterInstallation::PowerOff => (Some("poweroff"), " Switching off."),
    }
}

/// Ends a run with `code`: keeps the log of one that failed on the stick, says it to whoever is in the room if that `is_shown`, and ends
/// the live system where that was asked for.
pub fn end((code, is_shown): (u8, bool), ending: &Ending, log: &LogFile, report: &Reporter) {
    let runner = Runner::new(environment(&Channels::default(), Network::None), Interrupt::default());
    let machine = ThisMachine::read(Path::new(LIVE), None).file_name();
    if code != 0 {
        leave(&[(format!("log-{machine}.txt"), log.text())], false, &runner, report);
    }
    if is_shown {
        result_signals::give(code, &format!("nix-cfg-install {code} {machine} {}", ending.summary));
    }
    if let Some(program) = ending.then {
        sync();
        if let Err(error) = runner.output(&Invocation::new(program)) {
            let error = format!("{error:#}");
            report.problem(&AnswersFileProblem::NotEnded { error }.into());
        }
    }
}

/// Writes files to the stick, and returns whether they are there. That they cannot be written is reported: the machine is installed.
/// `is_expected`: the answers file was on it.
fn leave(files: &[(String, Vec<u8>)], is_expected: bool, runner: &Runner, report: &Reporter) -> bool {
    let written = stick::write(runner, files);
    let is_written = matches!(written, Ok(true));
    if let Some(problem) = not_left(written, is_expected) {
        report.problem(&problem.into());
    }
    is_written
}

/// The problem of what could not be left on the stick. One that is not mounted was there only if it `is_expected`.
fn not_left(written: Result<bool>, is_expected: bool) -> Option<AnswersFileProblem> {
    match written {
        Ok(is_mounted) => (!is_mounted && is_expected).then_some(AnswersFileProblem::StickGone),
        Err(error) => Some(AnswersFileProblem::Stick {
            error: format!("{error:#}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::answers_file::parse;
    use crate::diagnostic::{Diagnostic, InstalledSystemProblem};

    fn entry(keys: &str) -> Entry {
        let text = format!("machines:\n- match: all\n  disks: only\n  {keys}\n");
        parse(&text, Path::new("/f.yaml")).unwrap().machines.remove(0)
    }

    #[test]
    fn a_stick_that_was_there_and_is_gone_is_reported() {
        assert_eq!(not_left(Ok(false), true), Some(AnswersFileProblem::StickGone));
        // The answers file is on the ISO, or came over the network.
        assert_eq!(not_left(Ok(false), false), None);
        assert_eq!(not_left(Ok(true), true), None);
        let error = "full".to_owned();
        assert_eq!(
            not_left(Err(anyhow::anyhow!("full")), false),
            Some(AnswersFileProblem::Stick { error })
        );
    }

    #[test]
    fn what_would_be_installed_again_at_the_next_start_is_not_restarted() {
        let then = |keys: &str, is_known| after(&entry(keys), is_known);
        assert_eq!(then("after: reboot", true).0, Some("reboot"));
        assert_eq!(then("after: power-off\n  reinstall: true", false).0, Some("poweroff"));
        let again = then("after: reboot\n  reinstall: true", true);
        assert!(again.0.is_none() && again.1.contains("`reinstall: true`"), "{again:?}");
        let unmarked = then("after: reboot", false);
        assert!(
            unmarked.0.is_none() && unmarked.1.contains("no disk could be marked"),
            "{unmarked:?}"
        );
    }

    #[test]
    fn where_a_machine_would_start_the_live_system_again_the_network_is_named_beside_the_stick() {
        let disk = PathBuf::from("/dev/sda");
        let installed = AnswersFileProblem::Installed { disk, by_this: true };
        let disk = "/dev/sda".to_owned();
        let up_to_date = InstalledSystemProblem::UpToDate { disk };
        let stays = after(&entry("after: stay"), true);
        for text in [
            Diagnostic::from(installed).to_string(),
            Diagnostic::from(up_to_date).to_string(),
            stays.1.to_owned(),
        ] {
            let whole = text.contains("emove the stick") && text.contains("from the network needs its disk first");
            assert!(whole, "{text}");
        }
    }
}
