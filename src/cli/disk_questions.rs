//! What a person is asked before a disk is erased: whether it is the right one, and the passphrase.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write, stdin};
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::install_args::Args;
use super::typed_lines::TypedLines;
use crate::diagnostic::{AnswersFileProblem, Diagnostic, Diagnostics, DiskoProblem};
use crate::files::read_input;
use crate::interrupt::Interrupt;
use crate::plan::request::DiskoRequest;
use crate::plan::{DiskoPlan, Fate};
use crate::progress::Reporter;
use crate::text::without_mark;

/// What `--disko`, `--disk` and `--passphrase-file` ask for.
///
/// # Errors
/// [`Diagnostics`] with each `--disk` that has no name or no device, and with a file that has no passphrase.
pub fn request(args: &Args, interrupt: &Interrupt) -> Result<Option<DiskoRequest>> {
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
    let in_file = |file| in_file(file, interrupt);
    let passphrase = match args.passphrase_file.as_deref().map(in_file).transpose() {
        Ok(passphrase) => passphrase,
        Err(problem) => {
            problems.push(problem.into());
            None
        }
    };
    if !problems.is_empty() {
        return Err(Diagnostics(problems).into());
    }
    Ok(Some(DiskoRequest {
        mode,
        by_answers: args.answers_file.is_some(),
        disks,
        passphrase,
    }))
}

/// Asks whether the disks of `layout` may be erased or changed, unless the command line says so, and for the passphrase of its
/// encrypted volumes, unless it `is_given`. Returns what was typed.
///
/// # Errors
/// A [`Diagnostic`] when the answer is no, or nobody can be asked; interruption.
pub fn ask(
    args: &Args,
    layout: &DiskoPlan,
    is_given: bool,
    interrupt: &Interrupt,
    report: &Reporter,
) -> Result<Option<SecretString>> {
    let of_fate = |fate| -> Vec<String> {
        let disks = layout.disks.iter().filter(|disk| disk.fate == fate);
        disks.map(|disk| disk.device.clone()).collect()
    };
    let (erased, changed) = (of_fate(Fate::Erased), of_fate(Fate::Changed));
    let is_asked = !(args.yes || erased.is_empty() && changed.is_empty());
    let asks_passphrase = !layout.asking.is_empty() && !is_given;
    if !is_asked && !asks_passphrase {
        return Ok(None);
    }
    if !stdin().is_terminal() {
        let devices = [erased, changed].concat();
        let confirm = is_asked.then_some(DiskoProblem::NotConfirmed { devices });
        let volumes = layout.asking.clone();
        let enter = asks_passphrase.then_some(DiskoProblem::NoPassphrase { volumes });
        return Err(Diagnostics(confirm.into_iter().chain(enter).map(Diagnostic::from).collect()).into());
    }
    let typed = TypedLines::of_stdin(interrupt.clone());
    let mut outcome = Ok(None);
    report.pause(&mut || {
        if is_asked && let Err(error) = confirm(&typed, &erased, &changed) {
            outcome = Err(error);
        } else if asks_passphrase {
            outcome = new_passphrase(&typed, &layout.asking).map(Some);
        }
    });
    outcome
}

/// Asks for the passphrase of a root file system that is to be made.
///
/// # Errors
/// When nobody can be asked; interruption.
pub fn ask_passphrase(interrupt: &Interrupt, report: &Reporter) -> Result<SecretString> {
    asked(interrupt, report, |typed| {
        new_passphrase(typed, &["the encrypted root".to_owned()])
    })
}

/// Asks for the passphrase of a disk that is encrypted.
///
/// # Errors
/// As [`ask_passphrase`].
pub fn ask_existing_passphrase(interrupt: &Interrupt, report: &Reporter) -> Result<SecretString> {
    asked(interrupt, report, |typed| {
        let typed = secret(typed, "Passphrase of the encrypted disk: ")?;
        Ok(SecretString::from(typed.as_str()))
    })
}

fn asked(
    interrupt: &Interrupt,
    report: &Reporter,
    ask: impl Fn(&TypedLines) -> Result<SecretString>,
) -> Result<SecretString> {
    if !stdin().is_terminal() {
        return Err(AnswersFileProblem::NoTerminal.into());
    }
    let typed = TypedLines::of_stdin(interrupt.clone());
    let mut outcome = Err(AnswersFileProblem::NoTerminal.into());
    report.pause(&mut || outcome = ask(&typed));
    outcome
}

fn confirm(typed: &TypedLines, erased: &[String], changed: &[String]) -> Result<()> {
    if !erased.is_empty() {
        show(&format!("Everything on {} will be lost.\n", erased.join(", ")))?;
    }
    if !changed.is_empty() {
        let disks = changed.join(", ");
        show(&format!(
            "{disks} will get what is missing of the layout. A partition with a number of the layout is renamed.\n"
        ))?;
    }
    show("Type yes to go on: ")?;
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

/// Bytes of the largest file with a passphrase: what cryptsetup takes from a terminal (2.7) is less.
const LARGEST: u64 = 4096;

/// The first line of a file that has no other.
pub fn in_file(file: &Path, interrupt: &Interrupt) -> Result<SecretString, DiskoProblem> {
    let problem = |why: String| DiskoProblem::PassphraseFile {
        file: file.to_owned(),
        why,
    };
    let text = read_input(file, LARGEST, interrupt).map_err(|error| problem(error.to_string()))?;
    let text = Zeroizing::new(text);
    // Nobody can type what an editor on Windows adds when the machine starts.
    let line = without_mark(&text);
    let line = line.strip_suffix("\r\n").or(line.strip_suffix('\n')).unwrap_or(line);
    if line.is_empty() {
        return Err(problem("It is empty.".to_owned()));
    }
    if line.contains('\n') {
        return Err(problem("It has several lines.".to_owned()));
    }
    if line.contains(char::is_control) {
        return Err(problem(
            "It has a character that cannot be typed when the machine starts.".to_owned(),
        ));
    }
    Ok(SecretString::from(line))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_passphrase_is_the_only_line_of_its_file_however_that_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passphrase");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            let read = in_file(&file, &Interrupt::default());
            read.map(|secret| secret.expose_secret().to_owned()).ok()
        };
        for text in ["a b", "a b\n", "a b\r\n", "\u{feff}a b\r\n"] {
            assert_eq!(read(text).as_deref(), Some("a b"), "{text:?}");
        }
        for text in ["", "\n", "\r\n", "\u{feff}", "a\nb\n", "a\n\n", "a\rb", "a\0", "a\tb"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert!(in_file(&directory.path().join("none"), &Interrupt::default()).is_err());
    }
}
