//! What an evaluation of the ISO and of the systems that it installs shows.

use std::path::Path;

use anyhow::Result;

use super::checked_directory::IsoDirectory;
use super::configuration_tree::other_platform;
use super::inputs;
use super::on_machine::{self, MachineToCome};
use crate::diagnostic::{
    Diagnostic, DoctorProblem, ExpressionProblem, FlakeProblem, IsoHostProblem, IsoInputProblem, Problem,
    ProgramProblem, SupplyProblem,
};
use crate::iso::channels;
use crate::nix::eval::{self, Configuration};
use crate::nix::facts::{Facts, Users};
use crate::nix::lenience::Lenience;
use crate::nix::literal::{path_reference, string};
use crate::plan::{self, before_machine, first_start};
use crate::process::Runner;
use crate::text::similar;
use crate::tree::disk_layout;
use crate::tree::flake_lock::{FlakeLock, Input};
use crate::tree::hardware;
use crate::tree::lint;

/// Evaluates each system to its toplevel, and the image if all of them can be evaluated: why that fails, and what the facts of
/// each system show. With a machine `to_come`, the same on that machine.
pub(super) fn problems(
    iso: &IsoDirectory,
    runner: &Runner,
    to_come: Option<&MachineToCome>,
) -> Result<Vec<Diagnostic>> {
    let host_to_come = to_come.map(|machine| machine.index(&iso.spec.hosts)).transpose()?;
    let mut problems: Vec<Diagnostic> = Vec::new();
    let targets = iso.spec.hosts.len().max(1);
    let mut all_evaluate = true;
    let mut not_covered = Vec::new();
    let channels = channels::of(&iso.dir);
    for index in 0..targets {
        // The image needs all of them: if one fails, the image fails for the same reason.
        let image = all_evaluate && index + 1 == targets;
        let mut evaluation = eval::evaluate_target(runner, &iso.dir, &channels, index, image)?;
        on_machine::name_files(&mut evaluation);
        all_evaluate &= evaluation.toplevel.is_ok();
        let failed = evaluation
            .toplevel
            .err()
            .map(|problem| match lost_host(&problem, iso, runner, index) {
                Some(lost) => Ok(lost),
                None => here(problem, iso, runner),
            })
            .transpose()?;
        let mut found = facts(iso, &evaluation.facts);
        if host_to_come != Some(index) {
            found.extend(of_any_machine(iso, index, &evaluation.facts));
        }
        not_covered.extend(evaluation.facts.not_covered.iter().flatten().cloned());
        if let Some(nix) = &evaluation.facts.nix {
            found.extend(inputs::unreadable_on_target(&iso.configuration, nix)?);
        }
        found.extend(broken(iso, &evaluation.facts, failed, &found));
        // What two hosts share is reported once.
        found.retain(|problem| !problems.iter().any(|known| known.is_same(problem)));
        problems.extend(found);
    }
    if let Some((machine, index)) = to_come.zip(host_to_come) {
        let (found, failed) = on_machine::problems((iso, runner), machine, (index, &channels), &not_covered)?;
        // Why it cannot be evaluated at all is known.
        let failed = failed
            .filter(|_| all_evaluate)
            .map(|problem| here(problem, iso, runner));
        problems.extend(found.into_iter().chain(failed.transpose()?));
    }
    Ok(problems)
}

/// Where the evaluation failed for a reason that no rule knows: that the flake does not have the host `index` of the ISO.
fn lost_host(problem: &Diagnostic, iso: &IsoDirectory, runner: &Runner, index: usize) -> Option<Diagnostic> {
    if !matches!(problem.problem, Problem::ProgramProblem(ProgramProblem::Unknown { .. })) {
        return None;
    }
    let name = iso.spec.hosts.get(index)?.clone();
    let hosts = eval::hosts(runner, &iso.configuration).ok()?;
    if hosts.contains(&name) {
        return None;
    }
    let similar = similar(&name, hosts.iter().map(String::as_str)).map(str::to_owned);
    Some(IsoHostProblem::OfIso { name, hosts, similar }.into())
}

/// What is known of a machine of which nothing is known.
fn of_any_machine(iso: &IsoDirectory, index: usize, facts: &Facts) -> Vec<Diagnostic> {
    let host = iso.spec.hosts.get(index).map(String::as_str);
    let named = iso.settings.hardware_config_of(host);
    // Of stock NixOS the user is typed on the machine.
    let users = facts.users.as_ref().filter(|_| iso.spec.state_version.is_none());
    let mut problems: Vec<Diagnostic> = users.and_then(nobody).into_iter().collect();
    // Without one, its problem is reported from the files.
    if let Ok(hardware) = hardware::choose(&iso.configuration, iso.kind, host, named.as_deref()) {
        problems.extend(own_disks(iso, &hardware.path, facts));
        problems.extend(before_machine(facts, &iso.configuration, &hardware));
    }
    problems
}

/// Why the system does not evaluate. The assertions that failed are reported one by one, also where Nix stopped at something else
/// before it came to them; not those that `found` explains.
fn broken(iso: &IsoDirectory, facts: &Facts, failed: Option<Diagnostic>, found: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut broken = plan::assertions(facts, &iso.configuration, found);
    let is_assertion = |problem: &Diagnostic| {
        matches!(
            problem.problem,
            Problem::ExpressionProblem(ExpressionProblem::Assertion { .. })
        )
    };
    let are_known = facts.assertions.as_ref().is_some_and(|failed| !failed.is_empty());
    match failed {
        Some(all) if is_assertion(&all) && are_known => {
            if let Some(first) = broken.first_mut() {
                first.raw = all.raw;
            }
        }
        other => broken.extend(other),
    }
    broken
}

/// The problem as it is on the machine that builds the ISO: with a network, and without a log.
fn here(problem: Diagnostic, iso: &IsoDirectory, runner: &Runner) -> Result<Diagnostic> {
    let name = match &problem.problem {
        Problem::ProgramProblem(ProgramProblem::Unknown { error }) => {
            let (error, reference) = (error.clone(), path_reference(&iso.dir));
            return Ok(Diagnostic {
                place: problem.place,
                raw: problem.raw,
                ..DoctorProblem::Evaluation { error, reference }.into()
            });
        }
        Problem::FlakeProblem(FlakeProblem::InputNotFetched { input }) => Some(
            input
                .as_ref()
                .map_or("A flake input".to_owned(), |input| format!("The flake input {input}")),
        ),
        Problem::SupplyProblem(SupplyProblem::Download { name, .. }) => name.clone(),
        _ => return Ok(problem),
    };
    let asked = asked_inputs(&iso.configuration, &problem.raw)?;
    let raw = problem.raw;
    let problem = match asked {
        Some(inputs) if !are_used(iso, runner)? => IsoInputProblem::Unused { inputs },
        asked => IsoInputProblem::Fetch {
            name,
            unused: asked.unwrap_or_else(|| string("NAME")),
        },
    };
    let fetched = lint::pinned(&iso.configuration)
        .into_iter()
        .find(|(one, ..)| raw.contains(&one.url));
    let problem = Diagnostic::from(problem).raw(raw);
    // The flake fetches it too, at a place of its own.
    Ok(match fetched {
        Some((_, file, line, column)) => problem.at(file, Some(line), Some(column)),
        None => problem,
    })
}

/// Whether the hosts need the inputs that could not be fetched: without the ISO around it, a flake needs only those that it uses.
fn are_used(iso: &IsoDirectory, runner: &Runner) -> Result<bool> {
    for host in &iso.spec.hosts {
        let configuration = Configuration {
            root: iso.configuration.clone(),
            kind: iso.kind,
            host: Some(host.clone()),
        };
        let evaluation = eval::evaluate(runner, &configuration, Lenience::default(), &mut |_, _| {})?;
        if !matches!(evaluation.toplevel, Ok(Some(_))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The inputs whose addresses are in `said`, the output of Nix, as Nix strings; `None` if there are none.
fn asked_inputs(configuration: &Path, said: &str) -> Result<Option<String>> {
    let inputs = FlakeLock::load(configuration)?.unwrap_or_default().inputs();
    // Git is asked for an address without the kind and the revision.
    let address = |input: &Input| {
        let url = input.url.trim_start_matches("git+");
        url.split('?').next().unwrap_or_default().to_owned()
    };
    let asked = inputs.iter().filter(|input| said.contains(&address(input)));
    let asked: Vec<String> = asked.map(|input| string(&input.name)).collect();
    Ok((!asked.is_empty()).then(|| asked.join(" ")))
}

fn facts(iso: &IsoDirectory, facts: &Facts) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    if let Some(platform) = &facts.platform
        && *platform != iso.spec.system
    {
        problems.push(other_platform(platform, &iso.spec.system));
    }
    problems.extend(first_start::network(facts));
    let binds = facts.binds.as_deref().unwrap_or_default();
    problems.extend(facts.disks.as_ref().and_then(|disks| plan::kept(disks, binds, None).1));
    problems
}

/// The warning of a root file system that is not set in `hardware`. One in a layout for disko is made by the installer.
fn own_disks(iso: &IsoDirectory, hardware: &Path, facts: &Facts) -> Option<Diagnostic> {
    let root = facts
        .disks
        .as_ref()
        .filter(|disks| disks.layout.is_empty())?
        .file_systems
        .iter()
        .find(|system| system.at == "/")?;
    if root.set.iter().any(|one| Path::new(&one.file).ends_with(hardware)) {
        return None;
    }
    let problem = DoctorProblem::OwnFileSystems {
        device: root.device.clone(),
        hardware: hardware.to_owned(),
    };
    let file = root.set.first().map_or("", |one| &one.file);
    Some(disk_layout::at_file_system(
        problem.into(),
        &iso.configuration,
        &[hardware.to_owned()],
        file,
        "/",
    ))
}

/// The warning that nobody can log in: Calamares asks for a password, the command line does not.
fn nobody(users: &Users) -> Option<Diagnostic> {
    let gets_in = users.elsewhere
        || users.no_password_login
        || !users.autologin.is_empty()
        || users
            .accounts
            .iter()
            .any(|account| account.password || !account.password_file.is_empty() || users.sshd && account.key);
    let user = users.accounts.iter().find(|account| account.normal);
    let problem = DoctorProblem::NoPassword {
        user: user.map_or("NAME", |account| &account.name).to_owned(),
        mutable: users.mutable,
    };
    (!gets_in).then(|| problem.into())
}
