//! What a person is asked before a disk is erased: whether it is the right one, and the passphrase.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write, stdin};
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::install_args::Args;
use super::typed_lines::TypedLines;
use crate::diagnostic::{Diagnostic, Diagnostics, DiskoProblem};
use crate::interrupt::Interrupt;
use crate::plan::DiskoPlan;
use crate::plan::request::DiskoRequest;
use crate::progress::Reporter;

/// What `--disko` and `--disk` ask for.
///
/// # Errors
/// [`Diagnostics`] with each `--disk` that has no name or no device.
pub fn request(args: &Args) -> Result<Option<DiskoRequest>> {
    let Some(mode) = args.disko else { return Ok(None) };
    let mut disks = BTreeMap::new();
    let mut problems: Vec<Diagnostic> = Vec::new();
    for argument in &args.disks {
        match argument.split_once('=') {
            Some((name, device)) if !name.is_empty() && device.starts_with('/') => {
                disks.insert(name.to_owned(), device.to_owned());
            }
            _ => problems.push(
                DiskoProblem::DiskArgument {
                    argument: argument.clone(),
                }
                .into(),
            ),
        }
    }
    if !problems.is_empty() {
        return Err(Diagnostics(problems).into());
    }
    Ok(Some(DiskoRequest { mode, disks }))
}

/// Asks whether the disks of `layout` may be erased, and for the passphrase of its encrypted volumes, unless the command line has
/// the answers. Gives the passphrase.
///
/// # Errors
/// A [`Diagnostic`] when the answer is no, or nobody can be asked; interruption.
pub fn ask(args: &Args, layout: &DiskoPlan, interrupt: &Interrupt, report: &Reporter) -> Result<Option<SecretString>> {
    let erased: Vec<String> = layout
        .disks
        .iter()
        .filter(|disk| disk.erased)
        .map(|disk| disk.device.clone())
        .collect();
    let is_asked = !erased.is_empty() && !args.yes;
    let wants_passphrase = !layout.asking.is_empty();
    let passphrase = match &args.passphrase_file {
        Some(file) if wants_passphrase => Some(in_file(file)?),
        _ => None,
    };
    let asks_passphrase = wants_passphrase && passphrase.is_none();
    if !is_asked && !asks_passphrase {
        return Ok(passphrase);
    }
    if !stdin().is_terminal() {
        let confirm = is_asked.then_some(DiskoProblem::NotConfirmed { devices: erased });
        let volumes = layout.asking.clone();
        let enter = asks_passphrase.then_some(DiskoProblem::NoPassphrase { volumes });
        return Err(Diagnostics(confirm.into_iter().chain(enter).map(Diagnostic::from).collect()).into());
    }
    let typed = TypedLines::of_stdin(interrupt.clone());
    let mut outcome = Ok(passphrase);
    report.pause(&mut || {
        if is_asked && let Err(error) = confirm(&typed, &erased) {
            outcome = Err(error);
        } else if asks_passphrase {
            outcome = new_passphrase(&typed, &layout.asking).map(Some);
        }
    });
    outcome
}

fn confirm(typed: &TypedLines, devices: &[String]) -> Result<()> {
    show(&format!(
        "Everything on {} will be lost. Type yes to erase it: ",
        devices.join(", ")
    ))?;
    let answer = typed.next()?.unwrap_or_default();
    if answer.trim_ascii() == b"yes" {
        return Ok(());
    }
    Err(DiskoProblem::Declined.into())
}

/// Asks until the same was typed twice.
fn new_passphrase(typed: &TypedLines, volumes: &[String]) -> Result<SecretString> {
    loop {
        let first = secret(typed, &format!("Passphrase for {}: ", volumes.join(", ")))?;
        let second = secret(typed, "The same again: ")?;
        if first == second && !first.is_empty() {
            return Ok(SecretString::from(first.as_str()));
        }
        show(if first.is_empty() {
            "It is empty.\n"
        } else {
            "They differ.\n"
        })?;
    }
}

/// A line that is not shown while it is typed.
fn secret(typed: &TypedLines, prompt: &str) -> Result<Zeroizing<String>> {
    show(prompt)?;
    let before = tcgetattr(stdin())?;
    let mut hidden = before.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(stdin(), SetArg::TCSAFLUSH, &hidden)?;
    let line = typed.next();
    tcsetattr(stdin(), SetArg::TCSAFLUSH, &before)?;
    show("\n")?;
    let line = Zeroizing::new(line?.context("The input ended before a passphrase was typed")?);
    let text = std::str::from_utf8(&line).context("The passphrase is not UTF-8")?;
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn show(text: &str) -> Result<()> {
    let mut err = io::stderr();
    err.write_all(text.as_bytes())?;
    Ok(err.flush()?)
}

/// The first line of a file that has no other.
fn in_file(file: &Path) -> Result<SecretString> {
    let problem = |why: String| DiskoProblem::PassphraseFile {
        file: file.to_owned(),
        why,
    };
    let text = Zeroizing::new(fs::read_to_string(file).map_err(|error| problem(format!("{error}.")))?);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    if line.is_empty() || line.contains('\n') {
        let why = if line.is_empty() {
            "It is empty."
        } else {
            "It has several lines."
        };
        return Err(problem(why.to_owned()).into());
    }
    Ok(SecretString::from(line))
}
