//! `nix-cfg-iso doctor`: what would go wrong, before the ISO is built for an hour, and what to do about it.

mod configuration_tree;
#[cfg(test)]
mod doctor_tests;
mod evaluated;
mod inputs;
mod untracked;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::flake_template::{CONFIG_DIR, IsoSpec};
use super::manifest::Manifest;
use crate::diagnostic::Diagnostic;
use crate::nix::explain::LOOKUP;
use crate::process::Runner;
use crate::settings::Settings;
use crate::tree::lint;
use crate::tree::source::{self, ConfigKind};

/// What is looked at.
struct IsoDirectory {
    /// The emitted folder.
    dir: PathBuf,
    /// The configuration in it.
    tree: PathBuf,
    kind: ConfigKind,
    request: IsoSpec,
    settings: Settings,
}

/// Looks at the emitted folder `dir`; with `evaluate` Nix is asked as well. Gives all problems, errors and warnings.
///
/// # Errors
/// When the folder is none of ours, has no configuration, or cannot be read.
pub fn doctor(runner: &Runner, dir: &Path, evaluate: bool) -> Result<Vec<Diagnostic>> {
    let request = Manifest::load(dir)?.request;
    let tree = dir.join(CONFIG_DIR);
    let kind = source::choose(Some((&tree, "the folder")), &[])?.kind;
    let settings = match dir.join(super::flake_template::SETTINGS_FILE) {
        path if path.exists() => Settings::load(Some(&path))?,
        _ => Settings::default(),
    };
    let iso = IsoDirectory {
        dir: dir.to_owned(),
        tree,
        kind,
        request,
        settings,
    };
    let mut problems = configuration_tree::size(&iso)?;
    problems.extend(lint::links(&iso.tree));
    problems.extend(lint::absent_content(&iso.tree));
    problems.extend(lint::secrets(&iso.tree, kind));
    problems.extend(configuration_tree::hardware(&iso));
    problems.extend(configuration_tree::platform(&iso));
    match kind {
        ConfigKind::Flake => problems.extend(inputs::inputs(&iso, runner)?),
        ConfigKind::Channel => problems.extend(configuration_tree::lookups(&iso, evaluate)),
    }
    problems.extend(untracked::dirty(&iso, runner)?);
    if evaluate {
        let lookups = problems.iter().any(|problem| problem.code == LOOKUP);
        let found = evaluated::problems(&iso, runner)?;
        // Nix stops at one of those that are known already.
        problems.extend(found.into_iter().filter(|problem| !lookups || problem.code != LOOKUP));
    }
    Ok(problems)
}
