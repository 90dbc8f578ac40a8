//! What Git knows of the ISO directory: Nix reads a directory in a repository through Git, unless its reference is `path:`.

use anyhow::Result;

use super::checked_directory::IsoDirectory;
use crate::diagnostic::{Diagnostic, DoctorProblem};
use crate::iso::flake_template::build_command;
use crate::iso::git_state::GitState;
use crate::process::Runner;
use crate::text::shell_word;

/// How many files are named.
const SHOWN: usize = 3;

/// The warning that files are new or changed.
pub(super) fn uncommitted(iso: &IsoDirectory, runner: &Runner) -> Result<Option<Diagnostic>> {
    // Without git, or outside of a repository, there is nothing to say.
    let files = GitState::of(&iso.dir, runner)?.unwrap_or_default().uncommitted;
    if files.is_empty() {
        return Ok(None);
    }
    let reference = format!("{}#iso", iso.dir.display());
    let problem = DoctorProblem::Uncommitted {
        count: files.len(),
        first: files.iter().take(SHOWN).cloned().collect(),
        git_build: format!("nix build {}", shell_word(reference.as_ref())),
        path_build: build_command(&iso.dir),
    };
    Ok(Some(problem.into()))
}
