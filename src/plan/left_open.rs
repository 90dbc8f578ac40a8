//! choices.nix in the snapshot: what was answered and the configuration leaves open.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::collector::{Found, not_checked};
use super::hardware_files;
use super::request::{LiveSystem, Request};
use crate::diagnostic::{AnswerProblem, Diagnostic};
use crate::files::remove;
use crate::live::answers::{self, Answers};
use crate::live::choices_nix::{CHOICES_NIX, CHOICES_NIX_BESIDE_OTHER, Choices, choose};
use crate::live::installer_facts::InstallerFacts;
use crate::live::placement::Placement;
use crate::nix::eval::{self, Configuration};
use crate::nix::open::{Open, PROBE};
use crate::tree::import_line::{self, Import};

/// What becomes of the answers, and, where that is not known because the configuration could not be evaluated, a warning for the
/// case that it can be evaluated later on.
#[derive(Default)]
pub(super) struct Asked {
    pub choices: Choices,
    pub unknown: Option<Diagnostic>,
}

/// What an earlier run answered, which stays.
///
/// # Errors
/// When the target cannot be read.
pub(super) fn kept(request: &Request) -> Result<Asked> {
    let taken = match &request.update {
        Some(update) => update.receipt.chosen.clone(),
        None => Placement::load(&request.target)?
            .and_then(|placed| placed.chosen)
            .unwrap_or_default(),
    };
    Ok(Asked {
        choices: Choices::in_file(taken),
        unknown: None,
    })
}

/// Puts choices.nix beside the hardware configuration at `path` in the snapshot: with what was answered and is open, or as an
/// earlier run put it on the target. Nothing is asked of a configuration with `broken` files, which is refused.
pub(super) fn put(
    (request, live): (&Request, &LiveSystem<'_>),
    machine: &InstallerFacts,
    (configuration, path, broken): (&Configuration, &Path, &[PathBuf]),
    found: &mut Found<'_>,
) -> Result<Asked> {
    let hardware = configuration.root.join(path);
    let what = || format!("Failed to put {CHOICES_NIX} beside {}", path.display());
    let text = fs::read_to_string(&hardware).with_context(what)?;
    let imported = import_line::added(&text, Import::Choices);
    let name =
        imported.unwrap_or_else(|| hardware_files::free_name(&hardware, (CHOICES_NIX, CHOICES_NIX_BESIDE_OTHER)));
    let beside = hardware.with_file_name(name);
    let existing = hardware_files::existing(&request.target, machine)?;
    if imported.is_some() {
        let kept = found.keep(hardware_files::refuse_own_module(&beside, path, existing.as_deref()))?;
        if kept.is_none() {
            return Ok(Asked::default());
        }
    }
    let earlier = match (imported, existing) {
        (Some(name), Some(existing)) => fs::read_to_string(existing.with_file_name(name)).with_context(what)?,
        _ => EMPTY.to_owned(),
    };
    let write = |module: &str| -> Result<()> {
        remove(&beside)?;
        fs::write(&beside, module).with_context(what)
    };
    if !broken.is_empty() || request.answers.is_empty() || imported.is_some() && !request.answered_now {
        if imported.is_none() {
            return Ok(Asked::default());
        }
        write(&earlier)?;
        return kept(request);
    }
    if imported.is_none() {
        let text = found.keep(hardware_files::import(&text, name, Import::Choices, path))?;
        let Some(text) = text else { return Ok(Asked::default()) };
        rewrite(&hardware, &text).with_context(what)?;
    }
    write(PROBE)?;
    let (asked, module) = ask((request, live), configuration, path, found)?;
    match (module, imported) {
        (Some(module), _) => {
            write(&module)?;
            live.report.note(&format!(
                "Beside it: {name}, with what was chosen and the configuration leaves open."
            ));
        }
        (None, Some(_)) => write(&earlier)?,
        (None, None) => {
            remove(&beside)?;
            rewrite(&hardware, &text).with_context(what)?;
        }
    }
    Ok(asked)
}

/// Compares the answers with the configuration, whose hardware configuration at `path` imports [`PROBE`]. Returns the module, too, if
/// anything is open.
fn ask(
    (request, live): (&Request, &LiveSystem<'_>),
    configuration: &Configuration,
    path: &Path,
    found: &mut Found<'_>,
) -> Result<(Asked, Option<String>)> {
    let (mut asked, open) = open_of(live, configuration)?;
    let Some(open) = open else { return Ok((asked, None)) };
    let (choices, problems) = choose(&request.answers, &open, &request.lists.supported);
    found.extend(problems);
    found.extend(unknown_values(request, &request.answers, &choices));
    if choices.taken.is_empty() {
        asked.choices = choices;
        return Ok((asked, None));
    }
    if !open.imported {
        let keys: Vec<&str> = choices.taken.keys().map(String::as_str).collect();
        let (keys, hardware) = (keys.join(", "), path.display().to_string());
        found.add(AnswerProblem::NotImported { keys, hardware }.into());
        return Ok((asked, None));
    }
    unchecked(request, found);
    let module = choices.nix(&open);
    asked.choices = choices;
    Ok((asked, module))
}

/// As [`ask`], of answers that are written into the configuration.nix itself: what is the default of NixOS stands there as well.
pub(super) fn compare(
    (request, live): (&Request, &LiveSystem<'_>),
    configuration: &Configuration,
    answers: &Answers,
    found: &mut Found<'_>,
) -> Result<(Asked, Open)> {
    if answers.is_empty() {
        return Ok(Default::default());
    }
    let (mut asked, open) = open_of(live, configuration)?;
    let Some(mut open) = open else {
        return Ok((asked, Open::default()));
    };
    open.current.clear();
    let (choices, problems) = choose(answers, &open, &request.lists.supported);
    found.extend(problems);
    found.extend(unknown_values(request, answers, &choices));
    unchecked(request, found);
    asked.choices = choices;
    Ok((asked, open))
}

/// The values that the lists do not have.
fn unknown_values(request: &Request, answers: &Answers, choices: &Choices) -> Vec<Diagnostic> {
    choices.undecided(answers::problems(answers, &request.lists, &request.answer_places))
}

/// What the configuration leaves open; `None` where that cannot be evaluated.
fn open_of(live: &LiveSystem<'_>, configuration: &Configuration) -> Result<(Asked, Option<Open>)> {
    let mut asked = Asked::default();
    let open = eval::open(live.runner, configuration).or_else(|error| {
        let problem = error.downcast::<Diagnostic>()?;
        asked.unknown = Some(not_checked("what the configuration leaves open", &problem.what));
        Ok::<_, anyhow::Error>(None)
    })?;
    Ok((asked, open))
}

fn unchecked(request: &Request, found: &mut Found<'_>) {
    if !request.lists.are_known() {
        let why = "The live system has no list of what there is to choose from.";
        found.add(not_checked("the answers", why));
    }
}

const EMPTY: &str = "{ ... }:\n{\n}\n";

/// Changes a file, and leaves its time and mode.
pub(super) fn rewrite(file: &Path, text: &str) -> Result<()> {
    let modified = fs::metadata(file)?.modified()?;
    fs::write(file, text)?;
    Ok(fs::File::open(file)?.set_modified(modified)?)
}
