//! `nix-cfg-iso refresh`: copies the configuration again from where it came from, and leaves everything else in the ISO directory
//! as it is.

#[cfg(test)]
mod refresh_tests;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use super::all_at_once::{keep, only_warnings};
use super::allowed_secrets::{self, Allowed};
use super::choices::InitReport;
use super::copied::{Changes, Copied, Difference, Digests, digests};
use super::doctor;
use super::flake_template::{CONFIG_DIR, build_command};
use super::init::{copy_configuration, require_outside};
use super::manifest::Manifest;
use super::staging::temporary_in;
use super::{config_option, hosts};
use crate::diagnostic::{Diagnostic, Diagnostics, IsoHostProblem, IsoRefreshProblem, Problem};
use crate::files::{exchange, sync};
use crate::nix::literal::path_reference;
use crate::process::Runner;
use crate::text::shell_word;
use crate::tree::flake_lock::{FLAKE_LOCK, FlakeLock};
use crate::tree::source::{ConfigKind, Source};

/// The options of the command line.
#[derive(Debug)]
pub struct RefreshOptions {
    /// This program as it was called, for the commands that a person runs next.
    pub program: OsString,
    /// The ISO directory: an absolute path.
    pub dir: PathBuf,
    /// The directory to copy, in place of the one that was copied before.
    pub config: Option<PathBuf>,
    /// Whether to report the changes only.
    pub dry_run: bool,
    /// Whether private keys may be copied.
    pub allow_secrets: bool,
    /// Whether edits in the copy may be lost.
    pub discard_edits: bool,
}

/// Copies the configuration again. `runner` runs git; `show` is called with what is reported of a run that is only tried.
///
/// # Errors
/// [`Diagnostics`]: what `init` would refuse, and edits that would be lost. Errors of the file system. The directory is as it was
/// then.
pub fn refresh(
    options: &RefreshOptions,
    runner: &Runner,
    show: &mut dyn FnMut(&[String]) -> Result<()>,
) -> Result<InitReport> {
    let dir = options.dir.as_path();
    let manifest = Manifest::load(dir)?;
    let _lock = lock(dir)?;
    let copy = digests(&dir.join(CONFIG_DIR))?;
    let copied = manifest.copied(&copy);
    if manifest.spec.state_version.is_some() {
        return stock(options);
    }
    let from = origin(options, copied)?;
    let mut problems = Vec::new();
    let Some(source) = keep(config_option::open(&from), &mut problems)? else {
        return Err(Diagnostics(problems).into());
    };
    keep(require_outside(dir, &from), &mut problems)?;
    problems.extend(misfits(dir, &manifest, &source)?);
    let known = copied.map(|copied| copied.allowed_keys.clone()).unwrap_or_default();
    let allowed = Allowed::with(options.allow_secrets, &known);
    let keys = allowed_secrets::look(&from, source.kind, allowed, "add --allow-secrets");
    problems.extend(keys.problems);
    let new = digests(&from)?;
    if !options.discard_edits {
        problems.extend(lost(dir, &from, (copied, &copy, &new)));
    }
    let changes = Changes::between(&copy, &new);
    if options.dry_run {
        // Also what is refused: what it would change helps to decide.
        show(&changes.lines())?;
    }
    let mut report = InitReport {
        warnings: only_warnings(problems)?,
        notes: keys.note.into_iter().collect(),
    };
    let (taken, note) = Copied::now(&from, runner)?;
    let taken = Copied {
        allowed_keys: keys.allowed,
        ..taken
    };
    report.notes.push(note);
    if options.dry_run {
        report.notes.push("Nothing was written.".to_owned());
        return Ok(report);
    }
    report.notes.extend(changes.lines());
    replace(dir, &source, (manifest, taken), runner, &mut report)?;
    report.notes.push(next(options, source.kind, &changes));
    Ok(report)
}

/// What is reported of an ISO of stock NixOS, whose configurations are no copies.
///
/// # Errors
/// [`IsoRefreshProblem::Stock`] where one is to be copied.
fn stock(options: &RefreshOptions) -> Result<InitReport> {
    let dir = options.dir.clone();
    if options.config.is_some() {
        return Err(IsoRefreshProblem::Stock { dir }.into());
    }
    let (program, dir) = (shell_word(&options.program), shell_word(dir.as_os_str()));
    let note = format!(
        "Nothing was copied: init wrote the configurations in {CONFIG_DIR}, which are yours to edit. After an upgrade of the program, \
         {program} update {dir} writes those that you did not edit."
    );
    Ok(InitReport {
        notes: vec![note],
        warnings: Vec::new(),
    })
}

/// Keeps others from working on the directory as long as it is held.
fn lock(dir: &Path) -> Result<Flock<File>> {
    let what = || format!("Failed to open {}", dir.display());
    let file = File::open(dir).with_context(what)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| error)
        .with_context(|| format!("Another nix-cfg-iso is working on {}", dir.display()))
}

/// The directory to copy.
fn origin(options: &RefreshOptions, copied: Option<&Copied>) -> Result<PathBuf> {
    let dir = options.dir.clone();
    match (&options.config, copied) {
        (Some(config), _) => Ok(config.clone()),
        (None, None) => Err(IsoRefreshProblem::NoOrigin { dir }.into()),
        (None, Some(copied)) if !copied.origin().exists() => {
            let from = copied.from.clone();
            Err(IsoRefreshProblem::OriginMissing { dir, from }.into())
        }
        (None, Some(copied)) => Ok(copied.origin()),
    }
}

/// Why the configuration does not fit the flake of the ISO directory `dir`.
fn misfits(dir: &Path, manifest: &Manifest, source: &Source) -> Result<Vec<Diagnostic>> {
    let spec = &manifest.spec;
    if spec.kind != source.kind {
        let is_flake = source.kind == ConfigKind::Flake;
        return Ok(vec![IsoRefreshProblem::OtherKind { is_flake }.into()]);
    }
    let mut problems = Vec::new();
    if source.kind == ConfigKind::Flake {
        hosts::choose(&source.path, &manifest.hosts(dir), &mut problems);
    }
    // The doctor reports those that only an evaluation shows.
    let lost_hosts = problems.into_iter().filter_map(|problem| match problem.problem {
        Problem::IsoHostProblem(IsoHostProblem::Unknown { name, hosts, similar }) => {
            Some(IsoHostProblem::OfIso { name, hosts, similar }.into())
        }
        _ => None,
    });
    let mut problems: Vec<Diagnostic> = lost_hosts.collect();
    if problems.is_empty() {
        problems = doctor::misfits(dir, manifest, &source.path)?;
    }
    Ok(problems)
}

/// The edits in the copy that `new` does not have.
fn lost(dir: &Path, from: &Path, (copied, copy, new): (Option<&Copied>, &Digests, &Digests)) -> Option<Diagnostic> {
    let place = dir.join(CONFIG_DIR);
    // A copy that is gone has no edits.
    place.symlink_metadata().ok()?;
    let changes = Changes::between(copy, new);
    let all = || changes.changed.iter().chain(&changes.removed).cloned().collect();
    let mut files = copied.map_or_else(all, |copied| Difference::between(&copied.files, copy, new).here);
    // What is no part of a copy.
    if place.is_symlink() {
        files = vec![format!("{CONFIG_DIR} (a link)")];
    } else if place.join(".git").exists() {
        files.push(".git".to_owned());
    }
    let is_lost = !files.is_empty();
    is_lost.then(|| {
        IsoRefreshProblem::EditsLost {
            from: from.display().to_string(),
            recorded: copied.is_some(),
            dir: place,
            files,
        }
        .into()
    })
}

/// Puts a copy of `source` in the place of the one in `dir`. While it is killed or fails, the record has both: the one that is there
/// is recognized by its files.
fn replace(
    dir: &Path,
    source: &Source,
    (mut manifest, taken): (Manifest, Copied),
    runner: &Runner,
    report: &mut InitReport,
) -> Result<()> {
    let place = dir.join(CONFIG_DIR);
    let temporary = temporary_in(dir)?;
    let new = temporary.path().join(CONFIG_DIR);
    copy_configuration(source, &new, runner.interrupt(), report)?;
    let taken = Copied {
        files: digests(&new)?,
        ..taken
    };
    sync(&new)?;
    runner.interrupt().check()?;
    manifest.configuration.push(taken.clone());
    manifest.save(dir)?;
    // Where that takes two steps, and the process is killed in between, running it again brings the new one.
    exchange(&new, &place, &new.with_extension("old"))
        .with_context(|| format!("Failed to replace {}", place.display()))?;
    sync(dir)?;
    manifest.configuration = vec![taken];
    manifest.save(dir)
}

/// What to do next, after these `changes`.
fn next(options: &RefreshOptions, kind: ConfigKind, changes: &Changes) -> String {
    let dir = options.dir.as_path();
    let mut commands = Vec::new();
    if kind == ConfigKind::Flake && is_lock_stale(dir, changes) {
        commands.push(format!(
            "nix flake update config --flake {}    # flake.lock has to follow (before Nix 2.19: nix flake lock --update-input config)",
            path_reference(dir)
        ));
    }
    commands.push(format!(
        "{} doctor {}",
        shell_word(&options.program),
        shell_word(dir.as_os_str())
    ));
    commands.push(build_command(dir));
    format!("Next:\n    {}", commands.join("\n    "))
}

/// Whether the ISO's flake.lock is that of another configuration: it has a copy of the inputs in the configuration's own lock and,
/// written by Nix 2.25 or older, the hash of the whole configuration.
fn is_lock_stale(dir: &Path, changes: &Changes) -> bool {
    let lock = FlakeLock::load(dir).ok().flatten();
    let inputs = lock.map(|lock| lock.inputs()).unwrap_or_default();
    let is_relocked = changes.paths().any(|path| path == FLAKE_LOCK);
    inputs
        .iter()
        .any(|input| input.name == "config" && (is_relocked || input.nar_hash.is_some()))
}
