//! The closure into the target's store: each file read once, hashed and written from the same buffer, each path published
//! under its name only when its NAR hash is the database's, all of it registered at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::build::track;
use super::copy_order;
use super::disk::{self, Disk, require_room};
use super::installation::{Ahead, Installation};
use crate::files::remove;
use crate::interrupt::Interrupted;
use crate::live::target::Target;
use crate::nix::activity::LOG_FORMAT;
use crate::plan::Plan;
use crate::process::{Invocation, PATHS_PER_CALL, Runner};
use crate::progress::{Reporter, Unit};
use crate::store::contents::Mounted;
use crate::store::database::{self, Record};
use crate::store::live_image::StoreImage;
use crate::store::nar::Archive;
use crate::store::reading::{Name, PathReader, seconds, work};
use crate::store::room;
use crate::store::room::Grain;
use crate::store_path::store_name;
use crate::text::bytes;

/// Copies the system, and what is kept besides it.
pub(super) fn step(plan: &Plan, target: &Target, installation: &Installation<'_>) -> Result<()> {
    let live = installation.live;
    let store = Stores {
        runner: live.runner,
        target,
        image: live.image.as_ref(),
    };
    copy(
        &store,
        live.report,
        (&plan.roots(), 0),
        &plan.sources,
        &installation.ahead(),
    )
    .map(drop)
}

/// The live system's store and the target's.
pub struct Stores<'a> {
    pub runner: &'a Runner,
    pub target: &'a Target,
    /// What the live store is mounted from, where it can be read.
    pub image: Option<&'a StoreImage>,
}

/// Copies the closures of `roots` into the target's store. What is valid there is not copied again; what is there and not
/// valid (an earlier run was cut off), or was copied by Nix, is hashed, and kept if it is right. `sources`, what the system was made
/// from, are read as well, and not copied: a bit that is wrong there can be in what was built. `ahead` is what this run has copied or
/// read already ([`copy_ahead`](super::copy_ahead)); what is not needed of it is removed. Returns the bytes that were
/// copied and read; `later` are those that come after them.
///
/// # Errors
/// A [`Diagnostic`]: the target is too small, or the medium is damaged; what Nix says, explained; interruption.
pub fn copy(
    stores: &Stores<'_>,
    report: &Reporter,
    (roots, later): (&[&str], u64),
    sources: &BTreeMap<String, String>,
    ahead: &Ahead,
) -> Result<u64> {
    let (runner, target) = (stores.runner, stores.target);
    let records = database::of_closure(runner, roots)?;
    remove_unneeded(stores, &ahead.copied, &records)?;
    let mut wanted = Wanted::of(stores, &records)?;
    let read = wanted.sources(runner, sources)?;
    wanted.add_sources(&read);
    let is_left = |record: &&Record| {
        let is_read = ahead.read.contains(&record.path) && !wanted.written.contains(record.path.as_str());
        !is_read && !ahead.copied.contains(&record.path)
    };
    wanted.require_room(stores, is_left)?;
    let (all, by_nix) = (wanted.in_order(), size(&wanted.by_nix));
    let left: Vec<&Record> = all.iter().copied().filter(is_left).collect();
    let own = by_nix + size(&left);
    let total = own + later;
    report.expect_now(seconds(total));
    say(report, &wanted, &left, size(&all) - size(&left));
    copy_with_nix(runner, target, &wanted.by_nix, &mut |done, item| {
        report.progress(done, total, Unit::Bytes, item);
    })?;
    let disk = Disk::of(target)?;
    let shown = |path: &str| shown(path, sources);
    let items = (left.as_slice(), (by_nix, total), &shown as &Name<'_>);
    wanted
        .transfer(stores, Some(report), items, &|bytes| disk.takes(bytes), &|_, _| ())
        .and_then(|()| register(runner, target, &wanted.own))
        .map(|()| own)
        .map_err(|error| disk::explain(target, error))
}

/// Removes what was copied `ahead`, is not among `needed`, and not registered.
fn remove_unneeded(stores: &Stores<'_>, ahead: &BTreeSet<String>, needed: &[Record]) -> Result<()> {
    let needed: BTreeSet<&str> = needed.iter().map(|record| record.path.as_str()).collect();
    let ahead = ahead.iter().map(String::as_str);
    let unneeded: Vec<&str> = ahead.filter(|path| !needed.contains(path)).collect();
    for path in database::invalid(stores.runner, Some(stores.target.root()), &unneeded)? {
        log::info!("{path} was copied while the system was built, and is not needed");
        remove(&stores.target.inside(&path))?;
    }
    Ok(())
}

/// Says what is copied and read: `left`, and bytes that were `ahead`.
fn say(report: &Reporter, wanted: &Wanted<'_>, left: &[&Record], ahead: u64) {
    let reading = left
        .iter()
        .filter(|record| !wanted.written.contains(record.path.as_str()));
    let reading: u64 = reading.map(|record| record.nar_size).sum();
    let mut text = format!(
        "Copying and reading {} store paths: {}",
        wanted.by_nix.len() + left.len(),
        bytes(size(&wanted.by_nix) + size(left))
    );
    if reading > 0 {
        text.extend([", ", &bytes(reading), " of them sources that are only verified"]);
    }
    if ahead > 0 {
        text.extend(["; ", &bytes(ahead), " were copied or read while the system was built"]);
    }
    if ahead > 0 || !left.is_empty() || !wanted.by_nix.is_empty() {
        report.note(&text);
    }
}

fn size(records: &[&Record]) -> u64 {
    records.iter().map(|record| record.nar_size).sum()
}

/// How the paths of a closure get into the target's store.
pub(super) struct Wanted<'a> {
    /// What Nix copies.
    by_nix: Vec<&'a Record>,
    /// What is copied here, and registered.
    own: Vec<&'a Record>,
    /// What an earlier run's Nix copied: hashed, and copied again if it is wrong.
    unsure: Vec<&'a Record>,
    /// Sources that are read, and not written.
    only_read: Vec<&'a Record>,
    /// What is written of them by us: `own` and `unsure`.
    written: BTreeSet<&'a str>,
}

impl<'a> Wanted<'a> {
    /// Of `records`, a closure.
    pub(super) fn of(stores: &Stores<'_>, records: &'a [Record]) -> Result<Self> {
        let (runner, target) = (stores.runner, stores.target);
        let paths: Vec<&str> = records.iter().map(|record| record.path.as_str()).collect();
        let invalid = database::invalid(runner, Some(target.root()), &paths)?;
        let (records, valid): (Vec<&Record>, _) = records.iter().partition(|record| invalid.contains(&record.path));
        // Nix makes a path valid before its contents are on the disk: after a power cut its files can be empty.
        let (unsure, _) = content_addressed(runner, valid)?;
        let (by_nix, own) = content_addressed(runner, records)?;
        let written = own.iter().chain(&unsure).map(|record| record.path.as_str()).collect();
        Ok(Self {
            by_nix,
            own,
            unsure,
            only_read: Vec::new(),
            written,
        })
    }

    /// The records of `sources` and of what they refer to, for [`Wanted::add_sources`]. None of them is read where nothing is copied.
    pub(super) fn sources(&self, runner: &Runner, sources: &BTreeMap<String, String>) -> Result<Vec<Record>> {
        let sources = sources.keys().filter(|_| !self.own.is_empty());
        database::of_closure(runner, &sources.map(String::as_str).collect::<Vec<_>>())
    }

    /// Adds those of `sources` that are not copied, to be read.
    pub(super) fn add_sources(&mut self, sources: &'a [Record]) {
        let by_nix: BTreeSet<&str> = self.by_nix.iter().map(|record| record.path.as_str()).collect();
        let is_copied = |path: &str| by_nix.contains(path) || self.written.contains(path);
        self.only_read = sources.iter().filter(|source| !is_copied(&source.path)).collect();
    }

    /// Requires room for what is new in the target, as far as it `is_left`. What a run that was cut off has left takes room: what it
    /// was writing is removed, and a path of ours that has its name is kept, or removed before it is written again.
    pub(super) fn require_room(&self, stores: &Stores<'_>, is_left: impl Fn(&&Record) -> bool) -> Result<()> {
        remove(&stores.target.store_staging())?;
        let store = stores.target.store();
        let is_new = |record: &&&Record| stores.target.inside(&record.path).symlink_metadata().is_err();
        // Nix writes under the final name: what is there may be a small part of it.
        let new = self.own.iter().filter(is_new).chain(&self.by_nix);
        let new: Vec<&Record> = new.copied().filter(is_left).collect();
        let room = Grain::of(&store)?.of_records(stores.image, &new, room::free(&store)?)?;
        require_room(&store, room)
    }

    /// What [`Wanted::transfer`] takes, in the order of [`copy_order`].
    pub(super) fn in_order(&self) -> Vec<&'a Record> {
        let all = self.own.iter().chain(&self.unsure).chain(&self.only_read);
        copy_order::spread(all.copied().collect())
    }

    /// Copies or reads `items`, as [`work`] does, and reports each path that is whole, and whether it was written. Nothing is registered.
    /// [`Wanted::require_room`] comes before it.
    pub(super) fn transfer(
        &self,
        stores: &Stores<'_>,
        report: Option<&Reporter>,
        items: (&[&Record], (u64, u64), &Name<'_>),
        on_bytes: &(dyn Fn(u64) -> Result<()> + Sync),
        on_path: &(dyn Fn(&str, bool) + Sync),
    ) -> Result<()> {
        let staging = stores.target.store_staging();
        fs::create_dir_all(&staging).with_context(|| format!("Failed to make {}", staging.display()))?;
        let job = |record: &Record, archive: &mut Archive<'_>, medium: &mut PathReader<'_>| {
            let is_written = self.written.contains(record.path.as_str());
            if is_written {
                publish(stores.target, record, archive, medium)?;
            } else {
                medium.read(record, archive, None)?;
            }
            on_path(&record.path, is_written);
            Ok(())
        };
        work(report, stores.runner.interrupt(), stores.image, items, on_bytes, &job)?;
        remove(&staging)
    }
}

/// The paths whose record has more than [`Record`] can carry, a content address or signatures, and the others. On an ISO the
/// former are only those that were added since it was booted; Nix copies them.
fn content_addressed<'a>(runner: &Runner, records: Vec<&'a Record>) -> Result<(Vec<&'a Record>, Vec<&'a Record>)> {
    let paths: Vec<&str> = records.iter().map(|record| record.path.as_str()).collect();
    let ask = Invocation::new("nix").args(["path-info", "--sigs"]).quiet();
    let output = runner.output_of(&ask, &paths)?;
    let plain: BTreeSet<&str> = output
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let path = words.next()?;
            words.all(|word| word == "ultimate").then_some(path)
        })
        .collect();
    let is_plain = |record: &&Record| plain.contains(record.path.as_str());
    Ok(records.into_iter().partition(|record| !is_plain(record)))
}

/// Reports the bytes that are done, and what is being copied.
fn copy_with_nix(
    runner: &Runner,
    target: &Target,
    records: &[&Record],
    on_bytes: &mut dyn FnMut(u64, &str),
) -> Result<()> {
    let mut done = 0;
    for records in records.chunks(PATHS_PER_CALL) {
        let invocation = Invocation::new("nix")
            .args(["copy", "--no-check-sigs"])
            .args(LOG_FORMAT)
            .arg("--to")
            .arg(target.root())
            .args(records.iter().map(|record| record.path.as_str()))
            .long();
        track(runner, &invocation, &mut |tracker| {
            // An event without a path would delay the one that names it: see the interval of the reporter.
            if tracker.bytes() > 0 || !tracker.item().is_empty() {
                on_bytes(done + tracker.bytes(), tracker.item());
            }
        })?;
        done += records.iter().map(|record| record.nar_size).sum::<u64>();
    }
    Ok(())
}

/// The name of a store path in the progress. The sources of a flake's inputs, and a nixpkgs, are all called `source`.
fn shown(path: &str, sources: &BTreeMap<String, String>) -> String {
    let name = store_name(path);
    match sources.get(path) {
        Some(input) if *input != name => format!("{name} of {input}"),
        None if name == "source" && Path::new(path).join(NIXPKGS_MARK).exists() => format!("{name} of nixpkgs"),
        _ => name,
    }
}

/// What every nixpkgs has.
const NIXPKGS_MARK: &str = "nixos/lib/eval-config.nix";

/// Makes one path in the staging directory and moves it to its place.
fn publish(target: &Target, record: &Record, archive: &mut Archive<'_>, medium: &mut PathReader<'_>) -> Result<()> {
    let place = target.inside(&record.path);
    if place.symlink_metadata().is_ok() {
        // A power cut can leave files empty under their final names: only the hash shows it.
        if has_hash(target, record, archive)? {
            return Ok(());
        }
        remove(&place)?;
    }
    let name = place.file_name().context("A store path has no name")?;
    let staged = target.store_staging().join(name);
    medium.read(record, archive, Some(&staged))?;
    fs::rename(&staged, &place).with_context(|| format!("Failed to put {} in its place", place.display()))
}

/// Whether the target's store path has the hash of `record`. One that cannot be read has not.
pub(super) fn has_hash(target: &Target, record: &Record, archive: &mut Archive<'_>) -> Result<bool> {
    let place = target.inside(&record.path);
    match archive.hash(&mut Mounted::default(), &place, record.nar_size, None) {
        Err(error) if error.is::<Interrupted>() => Err(error),
        hash => Ok(hash.is_ok_and(|hash| hash == record.nar_hash)),
    }
}

/// Writes everything to the disk, and only then registers it in the target's database: after a power cut a path is whole
/// or not valid.
fn register(runner: &Runner, target: &Target, records: &[&Record]) -> Result<()> {
    disk::sync(target)?;
    if records.is_empty() {
        return Ok(());
    }
    let load = Invocation::new("nix-store")
        .args(["--load-db", "--store"])
        .arg(target.root())
        .stdin(database::print(records.iter().copied()).into_bytes());
    runner.output(&load)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_shown_with_the_name_of_its_input() {
        let directory = tempfile::tempdir().unwrap();
        let nixpkgs = directory.path().join("abc-source");
        fs::create_dir_all(nixpkgs.join("nixos/lib")).unwrap();
        fs::write(nixpkgs.join(NIXPKGS_MARK), "").unwrap();
        let input = "/nix/store/abc-source";
        let channel = "/nix/store/abc-nixos-24.05";
        let sources =
            [(input, "home-manager"), (channel, "nixos-24.05")].map(|(path, name)| (path.into(), name.into()));
        let sources = BTreeMap::from(sources);
        assert_eq!(shown(input, &sources), "source of home-manager");
        assert_eq!(shown(channel, &sources), "nixos-24.05");
        assert_eq!(shown(nixpkgs.to_str().unwrap(), &sources), "source of nixpkgs");
        assert_eq!(shown("/nix/store/xyz-source", &sources), "source");
    }

    #[test]
    fn what_a_run_that_was_cut_off_has_left_needs_no_room_again() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        let record = Record {
            path: "/nix/store/abc-large".to_owned(),
            nar_hash: String::new(),
            nar_size: u64::MAX,
            deriver: String::new(),
            references: Vec::new(),
        };
        fs::create_dir_all(target.store_staging().join("abc-half")).unwrap();
        let runner = Runner::new(Vec::new(), crate::interrupt::Interrupt::default());
        let stores = Stores {
            runner: &runner,
            target: &target,
            image: None,
        };
        let wanted = |by_nix, own| Wanted {
            by_nix,
            own,
            unsure: Vec::new(),
            only_read: Vec::new(),
            written: BTreeSet::new(),
        };
        // The live system has no such path: what it takes cannot be found out.
        let own = wanted(Vec::new(), vec![&record]);
        own.require_room(&stores, |_| true).unwrap_err();
        assert!(!target.store_staging().exists());
        fs::create_dir_all(target.inside(&record.path)).unwrap();
        own.require_room(&stores, |_| true).unwrap();
        let by_nix = wanted(vec![&record], Vec::new());
        by_nix.require_room(&stores, |_| true).unwrap_err();
    }
}
