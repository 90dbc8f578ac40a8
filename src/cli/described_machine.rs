//! `nix-cfg-install --describe`.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::diagnostic::ProgramProblem;
use crate::interrupt::{INTERRUPTED, Interrupt, Interrupted};
use crate::nix::environment::{Channels, environment};
use crate::plan::{machine, phases};
use crate::process::Runner;
use crate::progress::{Format, Reporter};

/// Prints the report of this machine. What is not known is said on stderr.
pub(super) fn print() -> ExitCode {
    let report = Reporter::new(Format::Plain.renderer(), phases::ALL);
    match try_print(&report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            let error = format!("{error:#}");
            report.problem(&ProgramProblem::NotDescribed { error }.into());
            ExitCode::FAILURE
        }
    }
}

fn try_print(report: &Reporter) -> Result<()> {
    let interrupt = Interrupt::on_signals()?;
    let runner = Runner::new(environment(&Channels::default(), false), interrupt.clone());
    let text = machine::describe(&runner, report).to_json()?;
    // A program that was ended too early leaves a gap that would look like a property of the machine.
    interrupt.check()?;
    match io::stdout().write_all(text.as_bytes()) {
        // A reader who went away (`| head`) has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("Failed to write to stdout"),
        _ => Ok(()),
    }
}
