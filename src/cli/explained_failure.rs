//! What a person reads, and the exit code, when something failed.

use std::path::PathBuf;

use super::exit_code;
use super::install_args::Args;
use crate::apply::{Failure, Written};
use crate::calamares::dialog::dialog;
use crate::calamares::globals::Globals;
use crate::diagnostic::{Diagnostic, Diagnostics, ProgramProblem};
use crate::interrupt::{INTERRUPTED, Interrupted};
use crate::live::resume;
use crate::live::running_machine::MACHINE;
use crate::log_file::LogFile;
use crate::nix::explain;
use crate::progress::Reporter;

/// Where the log is, for a person.
pub fn log_place(log: &LogFile, is_update: bool) -> String {
    let shown = |path: PathBuf| match path.strip_prefix(MACHINE) {
        // The target of an update is the machine itself.
        Ok(path) if is_update => format!("/{}", path.display()),
        _ => path.display().to_string(),
    };
    log.path().map_or_else(|| "not written".to_owned(), shown)
}

/// Reports what went wrong, and returns the exit code and the last line.
pub fn explain_failure(
    failure: Failure,
    args: &Args,
    globals: Option<&Globals>,
    log: &LogFile,
    report: &Reporter,
) -> (u8, String) {
    let Failure {
        phase,
        exit_code: code,
        written,
        error,
    } = failure;
    let is_update = args.command.is_some();
    log::debug!("failed in {}: {error:?}", phase.name);
    if error.is::<Interrupted>() {
        let next = next_step(written, is_update);
        return (INTERRUPTED, format!("Interrupted. {next}"));
    }
    let problems = diagnostics(error);
    for problem in &problems {
        report.problem(problem);
    }
    if args.calamares.is_some() {
        // Where this run made the disks, it mounted them as well.
        let made = resume::begun_target().filter(|_| written == Written::Target);
        let next = globals.and_then(|globals| globals.next(made.as_deref()));
        let dialog = dialog((phase, written), &problems, next, log.live_path().as_deref());
        report.failure(&dialog.title, &dialog.details);
    }
    let fix = if written == Written::Nothing {
        ""
    } else {
        "Fix the problem. "
    };
    let text = format!(
        "{} failed. {fix}{} Log: {}",
        phase.title,
        next_step(written, is_update),
        log_place(log, is_update)
    );
    (exit_code::of(&problems, code), text)
}

/// What follows from the state of the target.
fn next_step(written: Written, is_update: bool) -> &'static str {
    match written {
        Written::Nothing if is_update => "Nothing was written.",
        Written::Nothing => "Nothing was written to the target.",
        Written::Disks => "Run the same command again: it begins with the layout of the disks.",
        Written::Target => "Run the same command again: it continues from here.",
    }
}

/// `error` as problems.
pub(super) fn diagnostics(error: anyhow::Error) -> Vec<Diagnostic> {
    let error = match Diagnostics::of(error) {
        Ok(problems) => return problems,
        Err(error) => error,
    };
    let error = format!("{error:#}");
    // A full or read-only disk has an explanation, whichever program or call met it. Anything else is no program's output.
    let known = explain::known(&format!("error: {error}"));
    vec![known.unwrap_or_else(|| ProgramProblem::Unknown { error }.into())]
}
