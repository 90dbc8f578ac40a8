//! What Git knows of the ISO directory: Nix reads a directory in a repository through Git, unless its reference is `path:`.

use anyhow::Result;

use super::checked_directory::IsoDirectory;
use crate::diagnostic::{Diagnostic, DoctorProblem};
use crate::iso::flake_template::build_command;
use crate::process::{Invocation, Runner};
use crate::text::shell_word;

/// How many files are named.
const SHOWN: usize = 3;

/// The warning that files are new or changed.
pub(super) fn uncommitted(iso: &IsoDirectory, runner: &Runner) -> Result<Option<Diagnostic>> {
    let git = Invocation::new("git").arg("-C").arg(&iso.dir);
    // Without git, or outside of a repository, there is nothing to say.
    let Ok(status) = runner.run(
        &git.args(["status", "--porcelain", "--untracked-files=all", "--", "."]),
        &mut |_, _| {},
    ) else {
        return Ok(None);
    };
    let text = status.text()?;
    if !status.status.success() || text.is_empty() {
        return Ok(None);
    }
    let files: Vec<&str> = text.lines().filter_map(|line| line.get(3..)).collect();
    let reference = format!("{}#iso", iso.dir.display());
    let problem = DoctorProblem::Uncommitted {
        count: files.len(),
        first: files.iter().take(SHOWN).map(ToString::to_string).collect(),
        git_build: format!("nix build {}", shell_word(reference.as_ref())),
        path_build: build_command(&iso.dir),
    };
    Ok(Some(problem.into()))
}
