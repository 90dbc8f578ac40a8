//! Everything that can be known before the target is written: all problems in one report.

mod boot;
mod medium;
mod users;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::choices::Choices;
use super::copy::closure_size;
use super::{Job, hardware_files};
use crate::nix::eval::{self, Configuration, Evaluated};
use crate::nix::facts::Facts;
use crate::report::{Problem, Problems, Severity};
use crate::store::closure::Work;
use crate::store::graph::Graph;
use crate::tree::hardware::{self, Hardware};
use crate::tree::lint;
use crate::tree::owner::Owners;
use crate::tree::snapshot::{Copier, nothing};
use crate::tree::source::{Kind, Source};

/// A configuration that can be installed.
#[derive(Debug)]
pub struct Checked {
    /// The private copy of the tree, with this machine's hardware-configuration.nix in it.
    pub snapshot: TempDir,
    /// How it is to be evaluated.
    pub configuration: Configuration,
    /// Which file is the hardware configuration.
    pub hardware: Hardware,
    /// What Nix made of it.
    pub evaluated: Evaluated,
    /// What is to be built.
    pub work: Work,
    /// The bytes to copy, at most: what is used to build need not stay in the system.
    pub bytes: u64,
}

/// Finds every problem, tells the warnings, and gives what the later phases need.
///
/// # Errors
/// [`Problems`] with all errors that were found; interruption and failures of the live system itself.
pub fn check(job: &Job<'_>, source: &Source) -> Result<Checked> {
    let mut found = Found::default();
    if !job.machine.before_partitioning {
        found.problems.extend(job.target.problems(job.must_be_mounted));
    }
    let snapshot = found.keep(take_snapshot(job, source))?;
    let Some((snapshot, findings)) = snapshot else {
        return Err(found.into_error());
    };
    found.problems.extend(findings);
    found.tell_warnings(job);
    let host = found.keep(choose_host(job, source.kind, snapshot.path()))?;
    let hardware = match &host {
        Some(host) => {
            let named = job.hardware_config.as_deref();
            found.keep(hardware::choose(snapshot.path(), source.kind, host.as_deref(), named))?
        }
        None => None,
    };
    let (Some(host), Some(hardware)) = (host, hardware) else {
        return Err(found.into_error());
    };
    job.report.note(&format!(
        "Hardware configuration: {}, because {}.",
        hardware.path.display(),
        hardware.reason
    ));
    if !hardware.imported {
        found.problems.push(nothing_imports(&hardware.path));
        found.tell_warnings(job);
    }
    // A target that is not there has no hardware of its own, and what would be evaluated is not what would be installed.
    if found.has_errors() {
        return Err(found.into_error());
    }
    if found
        .keep(hardware_files::put(job, snapshot.path(), &hardware.path))?
        .is_none()
    {
        return Err(found.into_error());
    }
    let configuration = Configuration {
        root: snapshot.path().to_owned(),
        kind: source.kind,
        host,
    };
    let evaluation = eval::evaluate(job.runner, &configuration)?;
    found.problems.extend(judge(&evaluation.facts, &job.choices));
    found.tell_warnings(job);
    let evaluated = match evaluation.toplevel {
        Ok(evaluated) => evaluated,
        Err(problem) => {
            found.problems.push(problem);
            return Err(found.into_error());
        }
    };
    let work = work(job, &evaluated)?;
    if !job.online {
        if !work.missing.is_empty() {
            let file = snapshot.path().join(&hardware.path);
            let text = fs::read_to_string(&file).with_context(|| format!("Failed to read {}", file.display()))?;
            found.problems.extend(medium::not_covered(&text, &job.not_covered));
        }
        found.problems.extend(medium::missing(&work.missing));
    }
    if found.has_errors() {
        return Err(found.into_error());
    }
    Ok(Checked {
        snapshot,
        configuration,
        hardware,
        evaluated,
        bytes: closure_size(job.runner, &work.uses.iter().map(String::as_str).collect::<Vec<_>>())?,
        work,
    })
}

/// What is to be built and what is missing, read from the .drv files: a dry run of Nix never says "missing".
fn work(job: &Job<'_>, evaluated: &Evaluated) -> Result<Work> {
    let graph = Graph::load(&[&evaluated.drv])?;
    let invalid = graph.invalid_outputs(job.runner)?;
    log::debug!(
        "{} derivations, {} outputs are not on the medium",
        graph.len(),
        invalid.len()
    );
    Ok(graph.work(&invalid))
}

/// What the values of the configuration tell, beside what was decided outside it.
fn judge(facts: &Facts, choices: &Choices) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(users) = &facts.users {
        problems.extend(users::users(users, choices));
    }
    if let Some(boot) = &facts.boot {
        problems.extend(boot::boot(boot, choices));
    }
    if let Some(disks) = &facts.disks {
        problems.extend(boot::keymap(disks, choices));
    }
    problems
}

/// The problems so far.
#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
}

impl Found {
    /// Keeps the problems of a step that failed with them, so that the others still run; other errors go up.
    fn keep<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        let error = match outcome {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        match error.downcast::<Problem>() {
            Ok(problem) => self.problems.push(problem),
            Err(error) => self.problems.extend(error.downcast::<Problems>()?.0),
        }
        Ok(None)
    }

    fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    fn tell_warnings(&mut self, job: &Job<'_>) {
        self.problems.retain(|problem| {
            if problem.severity == Severity::Warning {
                job.report.problem(problem);
            }
            problem.severity == Severity::Error
        });
    }

    fn into_error(self) -> anyhow::Error {
        Problems(self.problems).into()
    }
}

/// Copies the tree to a folder that only root can reach, in the live system's memory.
fn take_snapshot(job: &Job<'_>, source: &Source) -> Result<(TempDir, Vec<Problem>)> {
    let folder = tempfile::Builder::new()
        .prefix("nix-cfg-install.")
        .tempdir()
        .context("Failed to make a temporary folder in the live system")?;
    let owners = Owners::of_live_system(Path::new("/etc/passwd"));
    let copier = Copier {
        owners: Some(&owners),
        interrupt: job.runner.interrupt(),
        leave_out: nothing,
    };
    let mut problems = copier.copy(&source.dir, folder.path())?.problems;
    problems.extend(lint::links(folder.path()));
    Ok((folder, problems))
}

/// `Some(None)`-like: a channel configuration has no host.
fn choose_host(job: &Job<'_>, kind: Kind, root: &Path) -> Result<Option<String>> {
    if kind == Kind::Channel {
        return Ok(None);
    }
    let hosts = eval::hosts(job.runner, root)?;
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (host, reason) = eval::choose_host(&hosts, job.host.as_deref(), Some(machine.trim()))?;
    job.report.note(&format!("Host: {host}, because {reason}."));
    Ok(Some(host))
}

fn nothing_imports(path: &Path) -> Problem {
    Problem::warning(
        "hardware-not-imported",
        format!("No file of the configuration names {}", path.display()),
    )
    .because(
        "It is put there, but unless the configuration imports it in another way, the system has no root file system.",
    )
    .remedy("Add it to `imports`.")
}
