//! Everything that can be known before the target is written: all problems in one report.

mod boot;
mod disks;
mod evaluation;
mod found;
mod grub;
mod lock;
mod machine;
mod medium;
mod users;
mod values;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::copy;
use super::machine::Machine;
use super::{Job, beside, hardware_files, image_of};
use crate::nix::activity::store_name;
use crate::nix::command::Invocation;
use crate::nix::eval::{self, Configuration, Evaluated};
use crate::report::{Problem, Problems};
use crate::store::closure::Work;
use crate::store::database::{self, Record};
use crate::store::graph::Graph;
use crate::tree::handwritten;
use crate::tree::hardware::{self, Hardware};
use crate::tree::lint::{self, Broken};
use crate::tree::owner::Owners;
use crate::tree::snapshot::{Copier, nothing};
use crate::tree::source::{FLAKE, Kind, Source};
use disks::Tree;
use evaluation::Known;
use found::Found;

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
    /// The bytes of the sources that are only read and verified.
    pub only_read: u64,
    /// The sources on the medium that it was evaluated from, by their paths: what each is called.
    pub sources: BTreeMap<String, String>,
}

/// Finds every problem, tells the warnings, and gives what the later phases need.
///
/// # Errors
/// [`Problems`](crate::report::Problems) with all errors that were found; interruption and failures of the live system
/// itself.
pub fn check(job: &Job<'_>, source: &Source) -> Result<Checked> {
    let mut found = Found::new(job.report);
    if !job.machine.before_partitioning {
        found.extend(job.target.problems(job.must_be_mounted));
    }
    // Where there is no target, the rest is found with file systems that stand in for its own.
    let has_target = job.machine.before_partitioning || job.target.is_there(job.must_be_mounted);
    let stand_in = Machine::before_partitioning();
    let machine = if has_target { &job.machine } else { &stand_in };
    let snapshot = take_snapshot(job, source, &mut found)?;
    let root = snapshot.path();
    let broken = look(job, root, source.kind, &mut found)?;
    if broken.iter().any(|broken| broken.file == Path::new(FLAKE)) {
        return Err(found.into_error());
    }
    let Some((host, hardware)) = found.keep(choose_hardware(job, source.kind, root))? else {
        return Err(found.into_error());
    };
    let Some(tree) = put_hardware(job, machine, root, &hardware, &mut found)? else {
        return Err(found.into_error());
    };
    let mut configuration = Configuration {
        root: root.to_owned(),
        kind: source.kind,
        host,
    };
    let known = evaluation::evaluate(job, &configuration, &tree, &broken, &mut found)?;
    if let Some(hosts) = &known.facts.hosts
        && let Some((host, reason)) = found.keep(choose_host(job, hosts))?
    {
        job.report.note(&format!("Host: {host}, because {reason}."));
        configuration.host = Some(host);
    }
    let problems = values::judge(&known, (root, &hardware), machine, job, &tree);
    found.extend(values::assertions(&known, root, &problems));
    found.extend(problems);
    let sources = sources(job, source.kind, root)?;
    let beside = beside(job, source.kind);
    let needs = |evaluated| {
        needs(
            job,
            (root, &hardware.path),
            evaluated,
            (&beside, &sources),
            &known,
            &mut found,
        )
    };
    let needed = known.evaluated.as_ref().map(needs).transpose()?;
    match (known.evaluated, needed) {
        (Some(evaluated), Some((work, bytes, only_read))) if !found.has_errors() => Ok(Checked {
            snapshot,
            configuration,
            hardware,
            evaluated,
            work,
            bytes,
            only_read,
            sources,
        }),
        _ => Err(found.into_error()),
    }
}

/// What the files of the tree tell before Nix is started. Gives those that are not Nix, or not there.
fn look(job: &Job<'_>, root: &Path, kind: Kind, found: &mut Found<'_>) -> Result<Vec<Broken>> {
    found.extend(lint::links(root));
    found.extend(lint::secrets(root, kind));
    found.extend(lint::entry(root, kind));
    let mut broken = Vec::new();
    for suspect in lint::modules(root, kind) {
        // Nix's grammar grows: what it can read is no fault.
        let ask = Invocation::new("nix-instantiate")
            .arg("--parse")
            .arg(root.join(&suspect.file))
            .quiet();
        if suspect.exists && job.runner.run(&ask, &mut |_, _| {})?.status.success() {
            log::debug!("Nix can read {}: {}", suspect.file.display(), suspect.problem);
            continue;
        }
        found.add(suspect.problem.clone());
        broken.push(suspect);
    }
    Ok(broken)
}

/// Which host, as far as that is known or needed, and which file is its hardware configuration.
fn choose_hardware(job: &Job<'_>, kind: Kind, root: &Path) -> Result<(Option<String>, Hardware)> {
    let named = job.hardware_config.as_deref();
    let host = job.host.clone().filter(|_| kind == Kind::Flake);
    let chosen = hardware::choose(root, kind, host.as_deref(), named);
    if kind == Kind::Channel || chosen.is_ok() {
        return Ok((host, chosen?));
    }
    // Several would do. The host decides, and only Nix knows which there are.
    let hosts = match eval::hosts(job.runner, root) {
        Ok(hosts) => hosts,
        Err(error) => return Err(Problems(lock::explain(job, root, error.downcast::<Problem>()?)?).into()),
    };
    let (host, _) = choose_host(job, &hosts)?;
    let chosen = hardware::choose(root, kind, Some(&host), named)?;
    Ok((Some(host), chosen))
}

fn choose_host(job: &Job<'_>, hosts: &[String]) -> Result<(String, String)> {
    eval::choose_host(hosts, job.host.as_deref(), Some(&eval::machine_name()))
}

/// Puts this machine's hardware configuration into the tree, and names what a person added to the one that was there. `None`
/// when it cannot be put.
fn put_hardware<'a>(
    job: &Job<'_>,
    machine: &Machine,
    root: &'a Path,
    hardware: &Hardware,
    found: &mut Found<'_>,
) -> Result<Option<Tree<'a>>> {
    job.report.note(&format!(
        "Hardware configuration: {}, because {}.",
        hardware.path.display(),
        hardware.reason
    ));
    let text = || fs::read_to_string(root.join(&hardware.path)).ok();
    let before = text();
    let Some(generated) = found.keep(hardware_files::put(job, machine, root, &hardware.path))? else {
        return Ok(None);
    };
    if let Some(before) = before {
        found.extend(handwritten::problem(root, &hardware.path, &before, text().as_deref()));
    }
    Ok(Some(Tree::new(root, &hardware.path, generated)))
}

/// What has to be built, how many bytes have to be copied at most, and how many of sources are only read (not counted where
/// something is missing); whether the medium has it, and this machine the room for it.
fn needs(
    job: &Job<'_>,
    (root, hardware): (&Path, &Path),
    evaluated: &Evaluated,
    (beside, sources): (&[PathBuf], &BTreeMap<String, String>),
    known: &Known,
    found: &mut Found<'_>,
) -> Result<(Work, u64, u64)> {
    let work = work(job, evaluated)?;
    let other_platform = known.facts.platform.as_deref().and_then(machine::platform).is_some();
    if !job.online && !other_platform && !work.missing.is_empty() && found.keep(undamaged(job, sources))?.is_some() {
        let file = root.join(hardware);
        let text = fs::read_to_string(&file).with_context(|| format!("Failed to read {}", file.display()))?;
        found.extend(medium::not_covered(&text, &job.not_covered));
        found.extend(medium::missing(&work.missing, root));
    }
    if !work.missing.is_empty() && !job.online {
        return Ok((work, 0, 0));
    }
    if let Some(path) = job.offline_rebuild.as_deref().filter(|path| !path.exists()) {
        found.add(nothing_to_keep(path));
        return Ok((work, 0, 0));
    }
    let uses = work.uses.iter().map(String::as_str);
    let closure = |beside: &[PathBuf]| {
        let beside = beside.iter().filter_map(|path| path.to_str());
        database::of_closure(job.runner, &uses.clone().chain(beside).collect::<Vec<_>>())
    };
    let size = |records: &[Record]| records.iter().map(|record| record.nar_size).sum::<u64>();
    let records = closure(beside)?;
    let bytes = size(&records);
    let mut only_read = database::of_closure(job.runner, &sources.keys().map(String::as_str).collect::<Vec<_>>())?;
    let copied: HashSet<&str> = records.iter().map(|record| record.path.as_str()).collect();
    only_read.retain(|source| !copied.contains(source.path.as_str()));
    let only_read = size(&only_read);
    if let (Some(_), Some((_, others))) = (&job.offline_rebuild, beside.split_last()) {
        let more = bytes.saturating_sub(size(&closure(others)?));
        job.report.note(&format!(
            "Of what is copied, {} stay for rebuilding without a network.",
            crate::report::bytes(more)
        ));
    }
    if known.partial.is_whole() && work.missing.is_empty() {
        let disk = machine::disk(job, root, &records, work.build.is_empty());
        let disk = found.probe("the room on the disk", disk);
        found.extend(disk.flatten());
        let memory = found.probe("the memory for building", machine::memory(&work));
        found.extend(memory.flatten());
    }
    Ok((work, bytes, only_read))
}

/// The sources on the medium that the configuration is evaluated from.
fn sources(job: &Job<'_>, kind: Kind, root: &Path) -> Result<BTreeMap<String, String>> {
    match kind {
        Kind::Channel => Ok(job
            .channels
            .sources()
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .map(|path| (path.clone(), store_name(&path)))
            .collect()),
        Kind::Flake => lock::sources(job, root),
    }
}

/// A flipped bit in a source is another source: what is made from it has other names, and none of them is on the medium.
fn undamaged(job: &Job<'_>, sources: &BTreeMap<String, String>) -> Result<()> {
    job.report
        .note("Not everything is on this medium. Looking whether it is damaged…");
    let sources: Vec<&str> = sources.keys().map(String::as_str).collect();
    copy::verify(job.runner, job.report, image_of(job).as_ref(), &sources)
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

/// Copies the tree to a folder that only root can reach, in the live system's memory.
fn take_snapshot(job: &Job<'_>, source: &Source, found: &mut Found<'_>) -> Result<TempDir> {
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
    found.extend(copier.copy(&source.dir, folder.path())?.problems);
    Ok(folder)
}

fn nothing_to_keep(path: &Path) -> Problem {
    Problem::error(
        "offline-rebuild-missing",
        format!("The medium does not have {}", path.display()),
    )
    .because("The settings say with `offline-rebuild` that it stays on the target, for rebuilding without a network.")
    .remedy("Take `offline-rebuild` out of the settings: the system can be installed without it.")
}
