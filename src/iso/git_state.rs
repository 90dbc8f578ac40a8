//! What Git knows of a directory.

use std::path::Path;

use anyhow::Result;

use crate::process::{Invocation, Runner};

/// The state of a directory in a Git repository.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GitState {
    /// The commit that is checked out; `None` before the first one.
    pub revision: Option<String>,
    /// The files in the directory that are new, or not as in that commit, relative to the repository.
    pub uncommitted: Vec<String>,
}

/// How many characters of a commit are shown.
const SHORT: usize = 12;

/// How many files are named.
const SHOWN: usize = 5;

impl GitState {
    /// `None` without git, outside of a repository, and where git refuses to look at it.
    ///
    /// # Errors
    /// When the run was interrupted.
    pub fn of(dir: &Path, runner: &Runner) -> Result<Option<Self>> {
        let git = || Invocation::new("git").arg("-C").arg(dir);
        let run = |invocation: &Invocation| {
            let said = runner.run(invocation, &mut |_, _| {});
            runner.interrupt().check()?;
            Ok::<_, anyhow::Error>(said.ok().filter(|said| said.status.success()))
        };
        let status = [
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--",
            ".",
        ];
        let Some(status) = run(&git().args(status))? else {
            return Ok(None);
        };
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        let uncommitted = status.split('\0').filter_map(|line| line.get(3..)).map(str::to_owned);
        let revision = run(&git().args(["rev-parse", "--verify", "--quiet", "HEAD"]))?;
        Ok(Some(Self {
            revision: revision.and_then(|said| Some(said.text().ok()?.to_owned())),
            uncommitted: uncommitted.collect(),
        }))
    }

    /// As the end of a sentence: which commit, and what is not in it.
    pub fn describe(&self) -> String {
        let revision = match &self.revision {
            Some(revision) => format!("Git revision {}", revision.get(..SHORT).unwrap_or(revision)),
            None => "no Git revision yet".to_owned(),
        };
        let count = self.uncommitted.len();
        let named = self
            .uncommitted
            .iter()
            .take(SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = if count > SHOWN { ", …" } else { "" };
        match count {
            0 => revision,
            1 => format!("{revision} and 1 file that is not committed: {named}"),
            _ => format!("{revision} and {count} files that are not committed: {named}{more}"),
        }
    }
}
