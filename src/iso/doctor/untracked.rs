//! What git thinks of the emitted folder: Nix reads a folder in a repository through git, unless told `path:`.

use anyhow::Result;

use super::IsoDirectory;
use crate::diagnostic::Diagnostic;
use crate::process::{Invocation, Runner};

/// Warns of files that git does not know, or knows otherwise.
pub fn dirty(iso: &IsoDirectory, runner: &Runner) -> Result<Option<Diagnostic>> {
    let git = Invocation::new("git").arg("-C").arg(&iso.dir);
    // No git program, no repository: nothing to say.
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
    let first = files.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    Ok(Some(
        Diagnostic::warning(
            "git-dirty",
            format!(
                "Git has not all of the folder: {} files are new or changed",
                files.len()
            ),
        )
        .because(format!(
            "`nix build {dir}#iso` sees only what git knows, and calls the result dirty. The first: {first}.",
            dir = iso.dir.display()
        ))
        .remedy(format!(
            "git add and commit them, or build `path:{}#iso`, which reads all files.",
            iso.dir.display()
        )),
    ))
}
