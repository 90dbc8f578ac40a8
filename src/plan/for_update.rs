//! What an update compares besides what an installation does: the machine with the ISO.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use super::evaluate::Outcome;
use super::request::{LiveSystem, Request, RunningUpdate, Update};
use crate::diagnostic::{Diagnostic, Severity, UpdateProblem};
use crate::files::names;
use crate::live::running_machine::SYSTEM_PROFILE;
use crate::live::target::Target;
use crate::nix::eval;
use crate::nix::facts::Facts;
use crate::process::Runner;
use crate::store::database::{self, Record};
use crate::store::room::{self, Grain};
use crate::tree::source::ConfigKind;

/// A person who has set a password on the machine can log in with it.
fn with_passwords_of_machine(request: &Request, facts: &mut Facts) {
    let Some(users) = facts
        .users
        .as_mut()
        .filter(|users| request.update.is_some() && users.mutable)
    else {
        return;
    };
    let shadow = request.target.read_inside(Path::new("/etc/shadow")).unwrap_or_default();
    for account in &mut users.accounts {
        let mut lines = shadow
            .lines()
            .filter_map(|line| line.strip_prefix(&account.name)?.strip_prefix(':'));
        account.password |= lines.next().is_some_and(|rest| !rest.starts_with(['!', '*', ':']));
    }
}

/// Whether this machine can be updated to the ISO's system. From here on `outcome` counts the passwords that were set on the machine.
pub(super) fn compare(request: &Request, kind: ConfigKind, outcome: &mut Outcome) -> Vec<Diagnostic> {
    with_passwords_of_machine(request, &mut outcome.facts);
    let new = outcome.toplevel.as_ref().map(|toplevel| toplevel.out.as_path());
    problems(request, kind, &outcome.facts, new)
}

fn problems(request: &Request, kind: ConfigKind, facts: &Facts, new: Option<&Path>) -> Vec<Diagnostic> {
    let Some(update) = &request.update else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let Update { receipt, .. } = update;
    if kind != receipt.kind {
        let name = |kind| match kind {
            ConfigKind::Channel => "channel configuration",
            ConfigKind::Flake => "flake",
        };
        let (installed, found) = (name(receipt.kind), name(kind));
        problems.push(UpdateProblem::OtherConfiguration { installed, found });
    }
    if let Some(identity) = &facts.identity {
        problems.extend(other_machine(request, update, &identity.host_name));
        let (own, new) = (&receipt.identity.state_version, &identity.state_version);
        if !own.is_empty() && !new.is_empty() && own != new {
            let is_lower = numbers(new) < numbers(own);
            let (own, new) = (own.clone(), new.clone());
            problems.extend((!is_lower || !update.older).then_some(UpdateProblem::StateVersion { own, new, is_lower }));
        }
        problems.extend(databases(
            &receipt.identity.databases,
            &identity.databases,
            update.older,
        ));
    }
    let own = version_of_machine(&request.target);
    let new = new.and_then(|new| version_in_name(&new.to_string_lossy(), facts));
    if let (Some(own), Some(new), false) = (own, new, update.older)
        && is_older(&new, &own)
    {
        problems.push(UpdateProblem::Older { own, new });
    }
    problems.into_iter().map(Diagnostic::from).collect()
}

/// The databases that would not read the data of this machine. `older`: that is accepted.
fn databases(
    own: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    older: bool,
) -> impl Iterator<Item = UpdateProblem> {
    own.iter().filter_map(move |(name, own)| {
        let new = new.get(name)?;
        let is_postgresql = name == "postgresql";
        // A release of PostgreSQL has one number; those of the others have two (10.11, 8.0).
        let form = |version| numbers(version).into_iter().take(if is_postgresql { 1 } else { 2 });
        let (before, after) = (form(own).collect::<Vec<_>>(), form(new).collect::<Vec<_>>());
        let is_lower = after < before;
        // The others take their data over; the module of PostgreSQL has a directory for each release (24.05, 26.11).
        let is_problem = if is_lower {
            !older
        } else {
            is_postgresql && after > before
        };
        (is_problem && !before.is_empty() && !after.is_empty()).then(|| UpdateProblem::Database {
            name: name.clone(),
            own: own.clone(),
            new: new.clone(),
            is_lower,
        })
    })
}

/// A machine with another name than the configuration's, unless its host or that name was named. A configuration without a host name gets it
/// elsewhere, from DHCP for example: then it is the name of the machine that runs.
fn other_machine(request: &Request, update: &Update, new: &str) -> Option<UpdateProblem> {
    let installed = &update.receipt.identity.host_name;
    let own = match &update.running {
        Some(_) if installed.is_empty() => eval::machine_name(),
        _ => installed.clone(),
    };
    let is_other = !new.is_empty() && !own.is_empty() && new != own;
    let is_answered = request.answers.get("hostname").is_some_and(|name| name == new);
    (is_other && !update.host_is_named && !is_answered).then(|| UpdateProblem::OtherMachine {
        own,
        new: new.to_owned(),
        // A flake can call it otherwise.
        host: request.host.clone().unwrap_or_else(|| new.to_owned()),
    })
}

/// The version of the system that the machine starts next: `24.05.20240531.abcdef`.
fn version_of_machine(target: &Target) -> Option<String> {
    let text = target
        .read_inside(&Path::new(SYSTEM_PROFILE).join("nixos-version"))
        .ok()?;
    Some(text.trim().to_owned())
}

/// The version in the name of a toplevel: `…-nixos-system-HOST-VERSION`.
fn version_in_name(toplevel: &str, facts: &Facts) -> Option<String> {
    let host = facts
        .identity
        .as_ref()
        .map_or("", |identity| identity.host_name.as_str());
    let host = if host.is_empty() { "unnamed" } else { host };
    let (_, version) = toplevel.split_once(&format!("-nixos-system-{host}-"))?;
    Some(version.to_owned())
}

/// Whether `new` is older than `own`. A label without a version (`system.nixos.label`) cannot be compared.
fn is_older(new: &str, own: &str) -> bool {
    let (new, own) = (numbers(new), numbers(own));
    !new.is_empty() && !own.is_empty() && new < own
}

/// The release, and the date of its sources, where it has one: what can be compared of a version. Before it, joined by `-`, a label has
/// the tags of the configuration (26.11, nixos/modules/misc/label.nix).
fn numbers(version: &str) -> Vec<u64> {
    let is_version = |part: &&str| part.starts_with(|first: char| first.is_ascii_digit()) && part.contains('.');
    version
        .split('-')
        .rfind(is_version)
        .unwrap_or(version)
        .split('.')
        .map_while(|part| part.trim_end_matches("pre").parse().ok())
        .take(3)
        .collect()
}

impl Update {
    /// Fails where something was collected that the live system uses of the machine's store.
    ///
    /// # Errors
    /// [`UpdateProblem::Behind`]; when its Nix cannot be asked.
    pub fn require_used(&self, runner: &Runner) -> Result<()> {
        let running = self.of_running()?;
        let used: Vec<&str> = running.used.iter().map(String::as_str).collect();
        running.machine.run(&mut || {
            let paths: Vec<String> = database::invalid(runner, None, &used)?.into_iter().collect();
            if paths.is_empty() {
                return Ok(());
            }
            let since = Some(self.receipt.finished.clone());
            Err(UpdateProblem::Behind { paths, since }.into())
        })
    }

    /// What an update of the running machine needs besides.
    ///
    /// # Errors
    /// When it is another one.
    pub fn of_running(&self) -> Result<&RunningUpdate> {
        self.running.as_ref().context("The system that is updated does not run")
    }

    /// Those of `records` that the machine lacks. Where its Nix does not run, a store path counts that is there and may not be whole.
    ///
    /// # Errors
    /// When its Nix cannot be asked.
    pub fn lacking(&self, target: &Target, runner: &Runner, mut records: Vec<Record>) -> Result<Vec<Record>> {
        let Some(running) = &self.running else {
            records.retain(|record| target.inside(&record.path).symlink_metadata().is_err());
            return Ok(records);
        };
        let paths: Vec<&str> = records.iter().map(|record| record.path.as_str()).collect();
        let mut invalid = BTreeSet::new();
        running.machine.run(&mut || {
            invalid = database::invalid(runner, None, &paths)?;
            Ok(())
        })?;
        records.retain(|record| invalid.contains(&record.path));
        Ok(records)
    }
}

/// How the names of the links begin that keep from the collector what an update copies ([`Target::collector_root`]).
pub const KEPT: &str = "update-";

/// The problem of a store without room for `records`. `exact`: there is nothing to build; otherwise some of them are only used for that.
///
/// # Errors
/// When it cannot be measured.
pub(super) fn store_full(
    target: &Target,
    live: &LiveSystem<'_>,
    records: &[Record],
    exact: bool,
) -> Result<Option<Diagnostic>> {
    let store = target.store();
    let free = room::free(&store)?;
    let records: Vec<&Record> = records.iter().collect();
    let needed = Grain::of(&store)?
        .of_records(live.image.as_ref(), &records, free)?
        .bytes;
    let certain = if exact { needed } else { needed / 4 * 3 };
    let severity = if free.bytes < certain {
        Severity::Error
    } else {
        Severity::Warning
    };
    let (free, full) = (free.bytes, free.bytes < needed);
    let roots = target.collector_root("");
    let left = names(&roots).iter().any(|name| name.starts_with(KEPT)).then_some(roots);
    let problem = UpdateProblem::StoreFull {
        severity,
        free,
        needed,
        left: left.map(|roots| Path::new("/").join(roots.strip_prefix(target.root()).unwrap_or(&roots))),
    };
    Ok(full.then(|| problem.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_would_not_read_the_data_of_the_machine_is_named() {
        let found = |name: &str, own: &str, new: &str, older: bool| {
            let [own, new] = [own, new].map(|version| BTreeMap::from([(name.to_owned(), version.to_owned())]));
            let found = databases(&own, &new, older).map(|problem| match problem {
                UpdateProblem::Database { is_lower, .. } => is_lower,
                other => panic!("{other:?}"),
            });
            found.collect::<Vec<_>>()
        };
        for (name, own, new, expected) in [
            // The versions of 24.05 and 26.11.
            ("postgresql", "15.10", "17.7", &[false][..]),
            ("postgresql", "17.7", "15.10", &[true]),
            ("postgresql", "15.10", "15.9", &[]),
            ("mysql", "10.11.10", "11.4.8", &[]),
            ("mysql", "11.4.8", "10.11.10", &[true]),
            ("mysql", "10.11.10", "10.11.8", &[]),
            ("mongodb", "8.0.4", "7.0.24", &[true]),
            ("postgresql", "15.10", "", &[]),
        ] {
            assert_eq!(found(name, own, new, false), expected, "{name} {own} {new}");
        }
        assert_eq!(
            found("postgresql", "17.7", "15.10", true),
            [false; 0],
            "it was accepted"
        );
        let other = BTreeMap::from([("mysql".to_owned(), "10.11.10".to_owned())]);
        let own = BTreeMap::from([("postgresql".to_owned(), "15.10".to_owned())]);
        assert_eq!(databases(&own, &other, false).count(), 0, "it is gone");
    }

    #[test]
    fn versions_compare_by_release_and_date() {
        assert!(numbers("24.05.20240531.63dacb4") < numbers("24.05.20240601.0aa1ec5"));
        assert!(numbers("24.11.20240531.abc") > numbers("24.05.20241201.abc"));
        assert!(numbers("26.11pre.20260701.abc") > numbers("26.05.20260801.abc"));
        assert_eq!(numbers("24.05.git.abc"), [24, 5]);
        assert_eq!(numbers("with-2.0-xen-26.05.20260801.abc"), [26, 5, 20_260_801]);
        assert_eq!(numbers("26.11pre-git"), [26, 11]);
        assert_eq!(numbers("17"), [17]);
        for (new, own, expected) in [
            ("with-xen-26.05.20260801.abc", "26.05.20260701.abc", false),
            ("with-xen-26.05.20260701.abc", "with-kvm-26.05.20260801.abc", true),
            ("mine", "26.05.20260701.abc", false),
            ("26.05.20260701.abc", "mine", false),
        ] {
            assert_eq!(is_older(new, own), expected, "{new} {own}");
        }
    }
}
