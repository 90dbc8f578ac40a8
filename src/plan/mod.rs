//! Finds out what will be installed, and all that would keep it from being installed. Nothing is written to the target, and
//! nothing is mounted.

pub mod phases;
pub mod request;
mod collector;
mod stage;
mod extra_file_problems;
mod flake_inputs;
pub mod hardware_files;
mod left_open;
mod completed;
pub mod observed;
mod checks;
mod resolve;
mod omissions;
mod evaluate;
mod changed_by_hand;
mod for_update;
mod own_source;
mod packages;
mod fetched;
mod needs;
mod layout;
mod plain_layout_check;
pub mod machine;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::diagnostic::{Delivery, Diagnostic};
use crate::live::choices_nix::Choices;
use crate::live::installer_facts::{InstallerFacts, KEY_FILE};
use crate::live::target::{Kept, Target};
use crate::memory::{Memory, PROC};
use crate::nix::eval::Configuration;
use crate::nix::facts::Facts;
use crate::store::reading;
use crate::text::bytes;
use crate::tree::extra_files::ExtraFiles;
use crate::tree::hardware::Hardware;
use crate::tree::private_copy::PrivateCopy;
use crate::tree::source::{ConfigKind, FLAKE_NIX, Source};
use changed_by_hand::KeptByHand;
pub use changed_by_hand::{as_placed, changed_by_hand};
use checks::file_systems::Tree;
pub use checks::file_systems::awaited_in_vain;
pub use checks::first_start;
use checks::kept_places::hidden;
pub use checks::kept_places::kept;
pub use checks::{assertions, before_machine};
use collector::Found;
use evaluate::Outcome;
pub use fetched::Fetched;
pub use for_update::KEPT;
pub use layout::{DiskoPlan, Fate, OfferedDisk, offered};
use observed::Observed;
pub use packages::changes;
use request::{LiveSystem, Request};

/// The exit code when the configuration or the target is refused.
pub const REFUSED: u8 = 3;

/// What will be installed, and how.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Where the configuration comes from.
    pub source: PathBuf,
    pub kind: ConfigKind,
    /// Which of a flake's configurations, or of several channel configurations in a directory; absent for a single one.
    pub host: Option<String>,
    /// The hardware configuration's path in the tree.
    pub hardware: PathBuf,
    /// The derivation of the toplevel, in the live system's store.
    pub derivation: PathBuf,
    /// Its output.
    pub system: PathBuf,
    /// The names of the derivations that are built.
    pub build: Vec<String>,
    /// The bytes that are copied, at most: what is only used to build does not stay in the system.
    pub copied_bytes: u64,
    /// The bytes of sources that are read and verified, and not copied.
    pub verified_bytes: u64,
    /// The store paths that are copied besides the system's closure.
    pub extra: Vec<PathBuf>,
    /// What a binary cache brings.
    #[serde(flatten)]
    pub fetched: Fetched,
    /// The layout for disko that is made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disko: Option<DiskoPlan>,
    /// What was answered about the system.
    pub choices: Choices,
    /// What configuration.nix says of the machine, where it has the part for it.
    #[serde(skip)]
    pub machine: Option<InstallerFacts>,
    /// Where the files of the installer go, by their paths in the installed system.
    pub kept_at: Kept,
    /// The sources that the configuration is evaluated from, by their store paths: what each is called.
    #[serde(skip)]
    pub sources: BTreeMap<String, String>,
    /// The store paths of the live system that the system, or what is built, uses directly.
    #[serde(skip)]
    pub uses: Vec<String>,
    /// The flake in the store: among `extra` where the system names files of it that are not in its closure.
    #[serde(skip)]
    pub kept_source: Option<PathBuf>,
    /// The private copy of the configuration, with this machine's hardware configuration in it: what is installed.
    #[serde(skip)]
    pub snapshot: PrivateCopy,
    /// What of it an update does not take from the ISO.
    #[serde(skip)]
    pub kept_by_hand: KeptByHand,
    /// The values of the configuration that the checks compared.
    #[serde(skip)]
    pub facts: Facts,
    /// What a person brings for the installed system.
    #[serde(skip)]
    pub extra_files: Option<ExtraFiles>,
}

impl Plan {
    /// The store paths whose closures the target gets: the system, and what is kept besides it.
    #[must_use]
    pub fn roots(&self) -> Vec<&str> {
        let roots = std::iter::once(&self.system).chain(&self.extra);
        roots.filter_map(|path| path.to_str()).collect()
    }
}

impl Plan {
    /// Where the files of the installer go, as a person reads it.
    #[must_use]
    pub fn kept_places(&self) -> String {
        let Kept { etc_nixos, state, logs } = &self.kept_at;
        let [etc_nixos, state, logs] = [etc_nixos, state, logs].map(|path| path.display());
        format!("Kept on a disk: the configuration in {etc_nixos}, the log in {logs}, the receipt in {state}")
    }
}

/// How many names of derivations are shown.
const NAMES_SHOWN: usize = 12;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "System: {}", self.system.display())?;
        for disk in self.disko.iter().flat_map(|disko| &disko.disks) {
            write!(f, "{disk}")?;
        }
        let Choices { taken, decided, .. } = &self.choices;
        for (what, answers) in [("Chosen", taken), ("Set by the configuration, not changed", decided)] {
            let named = |(key, value): (&String, &String)| format!("{key} {value}").trim_end().to_owned();
            let all: Vec<String> = answers.iter().map(named).collect();
            if !all.is_empty() {
                writeln!(f, "{what}: {}", all.join(", "))?;
            }
        }
        let shown = self
            .build
            .iter()
            .take(NAMES_SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = if self.build.len() > NAMES_SHOWN { ", …" } else { "" };
        match self.build.len() {
            0 if self.fetched.cache.is_some() => writeln!(f, "To build: nothing, the cache has it as it is.")?,
            0 => writeln!(f, "To build: nothing, it is on the ISO as it is.")?,
            1 => writeln!(f, "To build: 1 derivation ({shown})")?,
            many => writeln!(f, "To build: {many} derivations ({shown}{more})")?,
        }
        write!(f, "To copy: {} at most", bytes(self.copied_bytes))?;
        if !self.build.is_empty() {
            f.write_str(" and what is built")?;
        }
        if self.verified_bytes > 0 {
            write!(f, "; to read and verify: {} of sources", bytes(self.verified_bytes))?;
        }
        if self.kept_at != Kept::default() {
            write!(f, "\n{}", self.kept_places())?;
        }
        Ok(())
    }
}

/// Plans the installation of `source`. Warnings are reported as they are found.
///
/// # Errors
/// [`Diagnostics`](crate::diagnostic::Diagnostics) with all that is wrong; interruption, and failures of the live system
/// itself.
pub fn plan(request: &Request, live: &LiveSystem<'_>, source: &Source) -> Result<Plan> {
    let mut found = Found::new(live.report);
    if !request.machine.before_partitioning {
        let is_looked_at = request.update.as_ref().is_some_and(|update| update.is_looked_at);
        found.extend(request.target.problems(request.must_be_mounted, is_looked_at));
    }
    match find(request, live, source, &mut found)? {
        Some(plan) if !found.has_errors() && has_layout(request, &plan) => {
            live.report.plan(&plan);
            Ok(plan)
        }
        _ => Err(found.into_error()),
    }
}

/// Whether `plan` makes the disk, where nothing else does.
fn has_layout(request: &Request, plan: &Plan) -> bool {
    plan.disko.is_some() || request.disko.is_none() || !request.machine.before_partitioning
}

/// What is known of the machine. Without a target, the rest is checked with file systems that stand in for its own.
fn machine(request: &Request) -> InstallerFacts {
    if request.machine.before_partitioning || request.target.is_there(request.must_be_mounted) {
        return request.machine.clone();
    }
    InstallerFacts::before_partitioning()
}

/// `None` where the errors that were found leave nothing more to look at.
fn find(request: &Request, live: &LiveSystem<'_>, source: &Source, found: &mut Found<'_>) -> Result<Option<Plan>> {
    let mut machine = machine(request);
    let extra_files = found.keep(extra_file_problems::read(request))?.flatten();
    let snapshot = stage::copy(live, source, found)?;
    let root = snapshot.path();
    let broken = stage::look(live, root, source.kind, found)?;
    if broken.iter().any(|file| file == Path::new(FLAKE_NIX)) {
        return Ok(None);
    }
    let Some((host, hardware)) = found.keep(resolve::choose_hardware(request, live, source, root))? else {
        return Ok(None);
    };
    let mut configuration = Configuration {
        root: root.to_owned(),
        kind: source.kind,
        host,
    };
    let at_hardware = ((&configuration, root), &hardware, broken.as_slice());
    let Some(put) = layout::put_hardware((request, live), &mut machine, at_hardware, found)? else {
        return Ok(None);
    };
    let tree_with_hardware = (&configuration, hardware.path.as_path(), broken.as_slice());
    let asked = completed::put_choices((request, live), &machine, tree_with_hardware, found)?;
    let kept_by_hand = changed_by_hand::settle(request, live, root, found)?;
    let outcome = evaluated((request, live), &mut configuration, (&put, &broken), found)?;
    let (of_tree, brought) = ((&put.tree, &hardware), extra_files.as_ref());
    let (kept_at, problems) = check_values((request, live), &machine, &outcome, of_tree, brought);
    found.extend(problems);
    found.extend(asked.unknown.filter(|_| outcome.toplevel.is_some()));
    let Some(evaluated) = &outcome.toplevel else {
        return Ok(None);
    };
    // Whatever became of the report of what was omitted: without it, another system would be installed.
    found.extend(outcome.incomplete().filter(|_| !found.has_errors()));
    let of_tree = (root, source.kind, hardware.path.as_path());
    let chosen_disks = put.disko.as_ref().and_then(DiskoPlan::bytes);
    let on_disk = (brought, chosen_disks.or(request.decisions.largest_disk));
    let needs = needs::needs((request, live), of_tree, (evaluated, &outcome), on_disk, found)?;
    Ok(Some(Plan {
        source: source.path.clone(),
        kind: source.kind,
        host: configuration.host.or_else(|| source.host.clone()),
        hardware: hardware.path,
        derivation: evaluated.drv.clone(),
        system: evaluated.out.clone(),
        uses: needs.uses(),
        build: needs.work.build,
        copied_bytes: needs.copied,
        verified_bytes: needs.verified,
        extra: needs.extra,
        kept_source: needs.kept_source,
        disko: put.disko,
        kept_at,
        choices: asked.choices,
        machine: put.machine,
        sources: needs.sources,
        fetched: needs.fetched,
        snapshot,
        kept_by_hand,
        facts: outcome.facts,
        extra_files,
    }))
}

/// Evaluates the configuration with what was put into it. It gets its host, now that it is known which there are.
fn evaluated(
    (request, live): (&Request, &LiveSystem<'_>),
    configuration: &mut Configuration,
    (put, broken): (&layout::Put<'_>, &[PathBuf]),
    found: &mut Found<'_>,
) -> Result<Outcome> {
    found.extend(Memory::read(Path::new(PROC)).and_then(|memory| checks::space::evaluation(&memory)));
    let mut outcome = evaluate::evaluate((live.runner, live.report), configuration, &put.tree, broken)?;
    let mut problems = std::mem::take(&mut outcome.problems);
    let is_made = put.disko.as_ref().is_some_and(|layout| layout.sets_file_systems);
    plain_layout_check::not_made((request, is_made), &outcome.facts, &mut problems);
    found.extend(problems);
    found.extend(for_update::compare(request, configuration.kind, &mut outcome));
    if let Some(hosts) = &outcome.facts.hosts
        && let Some((host, reason)) = found.keep(resolve::choose_host(request, hosts))?
    {
        live.report.note(&format!("Host: {host}, because {reason}."));
        configuration.host = Some(host);
    }
    Ok(outcome)
}

fn delivery(request: &Request, is_mounted: bool) -> Delivery {
    let root = request.target.root().to_owned();
    if is_mounted {
        Delivery::Target(root)
    } else if request.decisions.partitions_graphically {
        Delivery::Graphical
    } else if request.plain_layout.is_some() || request.disko.is_some() {
        // Nobody is there to bring them later.
        Delivery::Answered
    } else {
        Delivery::Later(root)
    }
}

/// Compares the values of the configuration with this machine. Returns where the installer's files are kept, too.
fn check_values(
    (request, live): (&Request, &LiveSystem<'_>),
    machine: &InstallerFacts,
    outcome: &Outcome,
    (tree, hardware): (&Tree<'_>, &Hardware),
    extra_files: Option<&ExtraFiles>,
) -> (Kept, Vec<Diagnostic>) {
    let (facts, decisions) = (&outcome.facts, &request.decisions);
    let target = (!machine.before_partitioning).then_some(&request.target);
    let boot = facts.boot.as_ref().filter(|_| !request.no_bootloader);
    let named = (boot, facts.disks.as_ref(), facts.boot_files.as_ref());
    let mut observed = Observed::look(live.runner, target, named, decisions.boot_disk.as_deref());
    if let Some(secrets) = &facts.secrets {
        observed.look_for(target, secrets);
        if let Some(note) = boot.and_then(|_| checks::secure_boot_note(&secrets.signers, &observed.secure_boot)) {
            live.report.note(note);
        }
    }
    observed
        .present
        .extend(extra_files.into_iter().flat_map(ExtraFiles::paths));
    if machine.encrypted_boot {
        observed.present.insert(KEY_FILE.to_owned());
    }
    if let Some(update) = &request.update {
        let partitions = observed.boot_partitions.iter_mut();
        partitions.for_each(|one| one.see_in_update(update.is_looked_at, update.running.is_some()));
    }
    let delivery = delivery(request, target.is_some());
    let older = hardware_files::existing(&request.target, machine).ok().flatten();
    let mounted = target.map(|_| observed.mounted.as_slice());
    let binds = facts.binds.as_deref().unwrap_or_default();
    let kept = facts.disks.as_ref().map(|disks| kept(disks, binds, mounted));
    let (kept, forgotten) = kept.unwrap_or_default();
    let covered = extra_files.zip(facts.disks.as_ref());
    // Nothing is refused that is known only when the installer has made the disk and mounted it.
    let by_hand = mounted.filter(|_| request.disko.is_none() && request.plain_layout.is_none());
    let covered = covered.map(|(extra, disks)| hidden(&extra.files, (disks, binds), by_hand));
    let wanted = request.disko.as_ref();
    let not_taken = wanted.and_then(|wanted| layout::not_taken(wanted, facts, &hardware.path));
    let mut problems = outcome.check(&checks::Context {
        decisions,
        tree,
        hardware,
        older_hardware: older.as_deref(),
        installs_boot_loader: !request.no_bootloader,
        target: target.map(Target::root),
        platform: &checks::platform::own(),
        observed: &observed,
        delivery: &delivery,
    });
    plain_layout_check::instead((request, machine), facts, &mut problems);
    let mounted = target.and_then(|target| target.keeping(&kept).etc_nixos_mounted());
    let of_extra = extra_files.map(|files| extra_file_problems::problems(files, facts.users.as_ref(), target));
    let of_extra = of_extra.into_iter().chain(covered).flatten();
    (
        kept,
        problems
            .into_iter()
            .chain(forgotten)
            .chain(mounted)
            .chain(of_extra)
            .chain(not_taken)
            .collect(),
    )
}

/// Reads everything on the ISO that `plan` needs, and compares it with the store's database.
pub fn verify(plan: &Plan, live: &LiveSystem<'_>) -> Result<()> {
    let needed = plan.uses.iter().chain(plan.sources.keys()).map(String::as_str);
    let extra = plan.extra.iter().filter_map(|path| path.to_str());
    let needed: Vec<&str> = needed.chain(extra).collect();
    reading::verify(live.runner, live.report, live.image.as_ref(), &needed)
}
