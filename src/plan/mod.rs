//! Everything that can be known before the target is written: all problems in one report.

mod checks;
mod collector;
mod evaluate;
mod flake_inputs;
pub mod hardware_files;
pub mod job;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::live::installer_facts::InstallerFacts;
use crate::nix::activity::store_name;
use crate::nix::eval::{self, Configuration, Evaluated};
use crate::process::Invocation;
use crate::progress::{Phase, bytes};
use crate::store::closure::Work;
use crate::store::database::{self, Record};
use crate::store::graph::Graph;
use crate::store::reading;
use crate::tree::accounts::Accounts;
use crate::tree::hardware::{self, Hardware};
use crate::tree::hardware_additions;
use crate::tree::lint::{self, BadModule};
use crate::tree::snapshot::Copier;
use crate::tree::source::{self, ConfigKind, FLAKE_NIX, STANDARD_PLACES, Source};
use checks::file_systems::Tree;
use checks::{coverage, space};
use collector::Found;
use evaluate::Known;
use job::{Job, beside, image_of};

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
/// [`Diagnostics`](crate::diagnostic::Diagnostics) with all errors that were found; interruption and failures of the live system
/// itself.
pub fn check(job: &Job<'_>, source: &Source) -> Result<Checked> {
    let mut found = Found::new(job.report);
    if !job.machine.before_partitioning {
        found.extend(job.target.problems(job.must_be_mounted));
    }
    // Where there is no target, the rest is found with file systems that stand in for its own.
    let has_target = job.machine.before_partitioning || job.target.is_there(job.must_be_mounted);
    let stand_in = InstallerFacts::before_partitioning();
    let machine = if has_target { &job.machine } else { &stand_in };
    let snapshot = take_snapshot(job, source, &mut found)?;
    let root = snapshot.path();
    let broken = look(job, root, source.kind, &mut found)?;
    if broken.iter().any(|broken| broken.file == Path::new(FLAKE_NIX)) {
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
    let known = evaluate::evaluate(job, &configuration, &tree, &broken, &mut found)?;
    if let Some(hosts) = &known.facts.hosts
        && let Some((host, reason)) = found.keep(choose_host(job, hosts))?
    {
        job.report.note(&format!("Host: {host}, because {reason}."));
        configuration.host = Some(host);
    }
    let problems = checks::judge(&known, (root, &hardware), machine, job, &tree);
    found.extend(checks::assertions(&known, root, &problems));
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
fn look(job: &Job<'_>, root: &Path, kind: ConfigKind, found: &mut Found<'_>) -> Result<Vec<BadModule>> {
    found.extend(lint::links(root));
    found.extend(lint::secrets(root, kind));
    found.extend(lint::system_nix(root, kind));
    let mut broken = Vec::new();
    for suspect in lint::bad_modules(root, kind) {
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
fn choose_hardware(job: &Job<'_>, kind: ConfigKind, root: &Path) -> Result<(Option<String>, Hardware)> {
    let named = job.hardware_config.as_deref();
    let host = job.host.clone().filter(|_| kind == ConfigKind::Flake);
    let chosen = hardware::choose(root, kind, host.as_deref(), named);
    if kind == ConfigKind::Channel || chosen.is_ok() {
        return Ok((host, chosen?));
    }
    // Several would do. The host decides, and only Nix knows which there are.
    let hosts = match eval::hosts(job.runner, root) {
        Ok(hosts) => hosts,
        Err(error) => {
            return Err(Diagnostics(flake_inputs::explain(job, root, error.downcast::<Diagnostic>()?)?).into());
        }
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
    machine: &InstallerFacts,
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
        found.extend(hardware_additions::problem(
            root,
            &hardware.path,
            &before,
            text().as_deref(),
        ));
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
    let other_platform = known.facts.platform.as_deref().and_then(space::platform).is_some();
    if !job.online && !other_platform && !work.missing.is_empty() && found.keep(undamaged(job, sources))?.is_some() {
        let file = root.join(hardware);
        let text = fs::read_to_string(&file).with_context(|| format!("Failed to read {}", file.display()))?;
        found.extend(coverage::not_covered(&text, &job.not_covered));
        found.extend(coverage::missing(&work.missing, root));
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
            crate::progress::bytes(more)
        ));
    }
    if known.partial.is_whole() && work.missing.is_empty() {
        let disk = space::disk(job, root, &records, work.build.is_empty());
        let disk = found.probe("the room on the disk", disk);
        found.extend(disk.flatten());
        let memory = found.probe("the memory for building", space::memory(&work));
        found.extend(memory.flatten());
    }
    Ok((work, bytes, only_read))
}

/// The sources on the medium that the configuration is evaluated from.
fn sources(job: &Job<'_>, kind: ConfigKind, root: &Path) -> Result<BTreeMap<String, String>> {
    match kind {
        ConfigKind::Channel => Ok(job
            .channels
            .sources()
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .map(|path| (path.clone(), store_name(&path)))
            .collect()),
        ConfigKind::Flake => flake_inputs::sources(job, root),
    }
}

/// A flipped bit in a source is another source: what is made from it has other names, and none of them is on the medium.
fn undamaged(job: &Job<'_>, sources: &BTreeMap<String, String>) -> Result<()> {
    job.report
        .note("Not everything is on this medium. Looking whether it is damaged…");
    let sources: Vec<&str> = sources.keys().map(String::as_str).collect();
    reading::verify(job.runner, job.report, image_of(job).as_ref(), &sources)
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
    let owners = Accounts::of_live_system(Path::new("/etc/passwd"));
    let copier = Copier {
        owners: Some(&owners),
        interrupt: job.runner.interrupt(),
        exclude: None,
    };
    found.extend(copier.copy(&source.dir, folder.path())?.problems);
    Ok(folder)
}

fn nothing_to_keep(path: &Path) -> Diagnostic {
    Diagnostic::error(
        "offline-rebuild-missing",
        format!("The medium does not have {}", path.display()),
    )
    .because("The settings say with `offline-rebuild` that it stays on the target, for rebuilding without a network.")
    .remedy("Take `offline-rebuild` out of the settings: the system can be installed without it.")
}

/// What building costs, for the proportions of the progress: text and configuration are built in about a second each.
const SECONDS_A_DERIVATION: f64 = 1.0;

/// Finds the configuration and proves it, without writing to the target; the plan is told on the way. The caller has
/// begun [`Phase::Source`].
///
/// # Errors
/// All problems that were found.
#[allow(clippy::cast_precision_loss)] // Proportions.
pub fn prove(job: &Job<'_>) -> Result<(Source, Checked)> {
    let report = job.report;
    let explicit = job.source.as_ref().map(|(path, named_by)| (path.as_path(), *named_by));
    let source = source::choose(explicit, &STANDARD_PLACES.map(Path::new))?;
    report.note(&source.reason);
    report.phase(Phase::Check);
    let checked = check(job, &source)?;
    report.note(&format!("System: {}", checked.evaluated.out.display()));
    report.note(&plan(&checked.work.build));
    report.note(&to_copy(&checked));
    report.expect(Phase::Build, SECONDS_A_DERIVATION * checked.work.build.len() as f64);
    report.expect(Phase::Copy, reading::seconds(checked.bytes + checked.only_read));
    Ok((source, checked))
}

/// The total of the bar while copying, in its parts.
fn to_copy(checked: &Checked) -> String {
    let copied = format!("To copy: {} at most", bytes(checked.bytes));
    let built = if checked.work.build.is_empty() {
        ""
    } else {
        " and what is built"
    };
    match checked.only_read {
        0 => format!("{copied}{built}"),
        read => format!("{copied}{built}; to read and verify: {} of sources", bytes(read)),
    }
}

/// How many names of derivations the plan shows.
const NAMES_SHOWN: usize = 12;

fn plan(build: &[String]) -> String {
    if build.is_empty() {
        return "To build: nothing, it is on the medium as it is.".to_owned();
    }
    let shown = build.iter().take(NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = if build.len() > NAMES_SHOWN { ", …" } else { "" };
    format!("To build: {} derivations ({shown}{more})", build.len())
}

/// Proves the configuration before the disk is partitioned: no other phase follows.
///
/// # Errors
/// All problems that were found.
pub fn check_only(job: &Job<'_>) -> Result<()> {
    for phase in [Phase::Place, Phase::Build, Phase::Copy, Phase::Activate, Phase::Keep] {
        job.report.expect(phase, 0.0);
    }
    prove(job).map(drop)
}

/// Reads everything on the medium that the installation needs and compares it with the database. Writes nothing.
///
/// # Errors
/// The problems of the check, or a medium that is damaged.
pub fn verify_store(job: &Job<'_>) -> Result<()> {
    let (source, checked) = prove(job)?;
    job.report.phase(Phase::Copy);
    let beside = beside(job, source.kind);
    let beside = beside.iter().filter_map(|path| path.to_str());
    let used = checked
        .work
        .uses
        .iter()
        .chain(checked.sources.keys())
        .map(String::as_str);
    let used: Vec<&str> = used.chain(beside).collect();
    reading::verify(job.runner, job.report, image_of(job).as_ref(), &used)
}
