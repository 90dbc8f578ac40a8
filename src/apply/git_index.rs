//! A flake in a git repository: Nix reads it through git there, which hides every file that git does not track. The files
//! that this program adds to the tree are made known to git.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::diagnostic::{ApplyProblem, Diagnostic};
use crate::live::target::Target;
use crate::plan::request::LiveSystem;
use crate::process::{Invocation, Runner};

/// Makes `files`, relative to the tree at `root`, known to its git repository, if it has one, by their names alone
/// (`git add --intent-to-add`): nothing is read or committed, no filter is run, and what `.gitignore` says of them does not
/// count. What git tracks already is left alone. Where git is missing or refuses, that is a warning: the installation
/// itself does not look through git.
///
/// # Errors
/// Interruption.
pub(super) fn track(live: &LiveSystem<'_>, root: &Path, files: &[PathBuf]) -> Result<()> {
    if root.join(".git").symlink_metadata().is_err() {
        return Ok(());
    }
    for file in files {
        let known = git(root).args(["ls-files", "--error-unmatch", "--"]).arg(file);
        let add = git(root).args(["add", "--intent-to-add", "--force", "--"]).arg(file);
        let tracked = run(live.runner, &known).and_then(|known| {
            if known {
                return Ok(true);
            }
            let added = run(live.runner, &add)?;
            if added {
                live.report.note(&format!(
                    "Made {} known to git, so that Nix sees it there.",
                    file.display()
                ));
            }
            Ok(added)
        });
        match tracked.map_err(anyhow::Error::downcast::<Diagnostic>) {
            Ok(true) => {}
            // It refuses, or there is no git.
            Ok(false) | Err(Ok(_)) => {
                let added = ApplyProblem::AddedUntracked {
                    etc_nixos: Target::new("/").etc_nixos(),
                    file: file.clone(),
                };
                live.report.problem(&added.into());
            }
            Err(Err(error)) => return Err(error),
        }
    }
    others(live, root)
}

/// How many of the user's files are named.
const SHOWN: usize = 20;

/// Warns of the user's own files that are not tracked: this program reads the tree without git, so that nobody noticed.
fn others(live: &LiveSystem<'_>, root: &Path) -> Result<()> {
    let ask = git(root).args(["ls-files", "--others", "--exclude-standard"]).quiet();
    let finished = match live.runner.run(&ask, &mut |_, _| {}) {
        Ok(finished) if finished.status.success() => finished,
        Ok(_) => return Ok(()),
        // There is no git: this was reported above.
        Err(error) => return error.downcast::<Diagnostic>().map(drop),
    };
    let text = String::from_utf8_lossy(&finished.stdout);
    let names: Vec<&str> = text.lines().collect();
    let Some(first) = names.first() else { return Ok(()) };
    let untracked = ApplyProblem::Untracked {
        etc_nixos: Target::new("/").etc_nixos(),
        first: (*first).to_owned(),
        count: names.len(),
    };
    let problem = Diagnostic::from(untracked).raw(names[..names.len().min(SHOWN)].join("\n"));
    live.report.problem(&problem);
    Ok(())
}

/// A repository's configuration can name programs that git starts: none of them is to run here.
fn git(root: &Path) -> Invocation {
    Invocation::new("git")
        .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
        .arg("--git-dir")
        .arg(root.join(".git"))
        .arg("--work-tree")
        .arg(root)
        .arg("-C")
        .arg(root)
        .arg("--literal-pathspecs")
}

fn run(runner: &Runner, invocation: &Invocation) -> Result<bool> {
    Ok(runner.run(invocation, &mut |_, _| {})?.status.success())
}
