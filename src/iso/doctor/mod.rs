//! `nix-cfg-iso doctor`: what would go wrong, before the ISO is built for an hour, and what to do about it.

mod configuration_tree;
#[cfg(test)]
mod doctor_tests;
mod evaluated;
mod inputs;
mod untracked;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::emit::{Request, TREE_FOLDER};
use super::manifest::Manifest;
use crate::diagnostic::Diagnostic;
use crate::nix::explain::LOOKUP;
use crate::process::Runner;
use crate::settings::Settings;
use crate::tree::lint;
use crate::tree::source::{self, ConfigKind};

/// What is looked at.
struct Patient {
    /// The emitted folder.
    dir: PathBuf,
    /// The configuration in it.
    tree: PathBuf,
    kind: ConfigKind,
    request: Request,
    settings: Settings,
}

/// Looks at the emitted folder `dir`; with `evaluate` Nix is asked as well. Gives all problems, errors and warnings.
///
/// # Errors
/// When the folder is none of ours, has no configuration, or cannot be read.
pub fn doctor(runner: &Runner, dir: &Path, evaluate: bool) -> Result<Vec<Diagnostic>> {
    let request = Manifest::load(dir)?.request;
    let tree = dir.join(TREE_FOLDER);
    let kind = source::choose(Some((&tree, "the folder")), &[])?.kind;
    let settings = match dir.join(super::emit::SETTINGS_FILE) {
        path if path.exists() => Settings::load(Some(&path))?,
        _ => Settings::default(),
    };
    let patient = Patient {
        dir: dir.to_owned(),
        tree,
        kind,
        request,
        settings,
    };
    let mut problems = configuration_tree::size(&patient)?;
    problems.extend(lint::links(&patient.tree));
    problems.extend(lint::absent_content(&patient.tree));
    problems.extend(lint::secrets(&patient.tree, kind));
    problems.extend(configuration_tree::hardware(&patient));
    problems.extend(configuration_tree::platform(&patient));
    match kind {
        ConfigKind::Flake => problems.extend(inputs::inputs(&patient, runner)?),
        ConfigKind::Channel => problems.extend(configuration_tree::lookups(&patient, evaluate)),
    }
    problems.extend(untracked::dirty(&patient, runner)?);
    if evaluate {
        let lookups = problems.iter().any(|problem| problem.code == LOOKUP);
        let found = evaluated::problems(&patient, runner)?;
        // Nix stops at one of those that are known already.
        problems.extend(found.into_iter().filter(|problem| !lookups || problem.code != LOOKUP));
    }
    Ok(problems)
}
