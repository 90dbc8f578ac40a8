//! How an installation by an answers file ends: what is left on the stick, and what comes after.

use std::fs;
use std::path::Path;

use anyhow::Result;
use nix::unistd::sync;

use super::unattended::Job;
use crate::age_recipient;
use crate::answers_file::AfterInstallation;
use crate::apply::{Installation, host_keys, stick};
use crate::diagnostic::AnswersFileProblem;
use crate::interrupt::Interrupt;
use crate::live::this_machine::{LIVE, ThisMachine};
use crate::log_file::LogFile;
use crate::nix::environment::{Channels, environment};
use crate::plan::Plan;
use crate::process::{Invocation, Runner};
use crate::progress::Reporter;

/// Leaves the receipt and the public host keys on the stick, and does what comes after. Gives the end of the last line.
///
/// # Errors
/// When a disk cannot be marked.
pub fn finish(job: &Job, plan: &Plan, installation: &Installation<'_>) -> Result<&'static str> {
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
    let is_marked = job.mark(runner, &job.installed)?;
    let mut files = vec![(format!("receipt-{}.json", job.machine), fs::read(target.receipt())?)];
    if !public.is_empty() {
        files.push((format!("host-keys-{}.pub", job.machine), public.into_bytes()));
    }
    if !recipients.is_empty() {
        files.push((format!("age-recipients-{}.txt", job.machine), recipients.into_bytes()));
    }
    leave(&files, runner, report);
    let (program, text) = match job.entry.after {
        AfterInstallation::Stay => return Ok(" Remove the stick before you restart."),
        // It would be erased and installed again without end.
        AfterInstallation::Reboot if !is_marked && !job.disks.is_empty() => {
            return Ok(
                " Not restarting: no disk has a GPT, by which the next start would know that it is done. Remove the stick first.",
            );
        }
        AfterInstallation::Reboot => ("reboot", " Restarting."),
        AfterInstallation::PowerOff => ("poweroff", " Switching off."),
    };
    sync();
    runner.output(&Invocation::new(program))?;
    Ok(text)
}

/// Keeps the log of a run that failed on the stick, if there is one.
pub fn keep_log(log: &LogFile, report: &Reporter) {
    let runner = Runner::new(environment(&Channels::default(), false), Interrupt::default());
    let machine = ThisMachine::read(Path::new(LIVE), None).file_name();
    leave(&[(format!("log-{machine}.txt"), log.text())], &runner, report);
}

/// Writes files to the stick. That they cannot be is reported: the machine is installed.
fn leave(files: &[(String, Vec<u8>)], runner: &Runner, report: &Reporter) {
    if let Err(error) = stick::write(runner, files) {
        let error = format!("{error:#}");
        report.problem(&AnswersFileProblem::Stick { error }.into());
    }
}
