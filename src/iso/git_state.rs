//! What Git knows of a directory.

use std::path::Path;

use anyhow::Result;

use crate::process::{Invocation, Runner};
use crate::text::one_line;

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
            .map(|name| one_line(name))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::interrupt::Interrupt;

    #[test]
    fn the_commit_is_named_and_what_is_not_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let home = dir.path().join("home");
        let environment = vec![("PATH".into(), path), ("HOME".into(), home.into_os_string())];
        let runner = Runner::new(environment, Interrupt::default());
        let tree = dir.path().join("a tree");
        fs::create_dir(&tree).unwrap();
        let git = |line: &str| {
            let invocation = Invocation::new("git").arg("-C").arg(&tree);
            let me = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
            runner.output(&invocation.args(me).args(line.split(' '))).unwrap()
        };
        let described = || GitState::of(&tree, &runner).unwrap().map(|state| state.describe());
        assert_eq!(described(), None);
        git("init -q");
        fs::write(tree.join("a file"), "1").unwrap();
        assert_eq!(
            described().unwrap(),
            "no Git revision yet and 1 file that is not committed: a file"
        );
        git("add .");
        git("commit -q -m first");
        let revision = format!("Git revision {}", &git("rev-parse HEAD")[..SHORT]);
        assert_eq!(described().unwrap(), revision);
        fs::rename(tree.join("a file"), tree.join("new")).unwrap();
        git("add new");
        let dirty = described().unwrap();
        assert_eq!(
            dirty,
            format!("{revision} and 2 files that are not committed: a file, new")
        );
    }
}
