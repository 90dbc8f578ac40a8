//! `nix-cfg-install --describe` and `--list-disks`.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::diagnostic::ProgramProblem;
use crate::interrupt::{INTERRUPTED, Interrupt, Interrupted};
use crate::nix::environment::{Channels, Network, environment};
use crate::plan::{machine, offered, phases};
use crate::process::Runner;
use crate::progress::{Format, Reporter};

/// What is printed.
#[derive(Clone, Copy)]
pub(super) enum Printed {
    /// The report of this machine. What is not known is said on stderr.
    Machine,
    /// Its disks, with what is on them.
    Disks,
}

/// Prints it as JSON.
pub(super) fn print(what: Printed) -> ExitCode {
    let report = Reporter::new(Format::Plain.renderer(), phases::ALL);
    match try_print(what, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            let error = format!("{error:#}");
            report.problem(&ProgramProblem::NotDescribed { error }.into());
            ExitCode::FAILURE
        }
    }
}

fn try_print(what: Printed, report: &Reporter) -> Result<()> {
    let interrupt = Interrupt::on_signals()?;
    let runner = Runner::new(environment(&Channels::default(), Network::None), interrupt.clone());
    let text = match what {
        Printed::Machine => machine::describe(&runner, report).to_json()?,
        Printed::Disks => format!("{}\n", serde_json::to_string_pretty(&offered(&runner))?),
    };
    // A program that was ended too early leaves a gap that would look like a property of the machine.
    interrupt.check()?;
    to_stdout(&text)
}

/// Writes `text`.
///
/// # Errors
/// When it cannot be written.
pub(super) fn to_stdout(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // A reader who went away (`| head`) has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("Failed to write to stdout"),
        _ => Ok(()),
    }
}
