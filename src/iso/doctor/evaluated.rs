//! What Nix says of the systems that the ISO installs.

use std::path::Path;

use anyhow::Result;

use super::super::channels;
use super::configuration_tree::other_platform;
use super::{CONFIG_DIR, IsoDirectory, inputs};
use crate::diagnostic::Diagnostic;
use crate::nix::eval;
use crate::nix::explain::UNKNOWN;
use crate::nix::facts::{Facts, Users};
use crate::nix::literal::string;
use crate::process::Runner;
use crate::tree::flake_lock::{FlakeLock, Input};
use crate::tree::{disk_layout, hardware};

/// Evaluates each system to its toplevel, and the image where these can be; tells why that fails, who cannot log in, and what
/// machine it is for.
pub fn problems(iso: &IsoDirectory, runner: &Runner) -> Result<Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let targets = iso.request.hosts.len().max(1);
    let mut all_evaluate = true;
    let channels = channels::of(&iso.dir);
    for index in 0..targets {
        // The image is made of all of them: where one fails, it fails for the same reason.
        let image = all_evaluate && index + 1 == targets;
        let evaluation = eval::evaluate_target(runner, &iso.dir, &channels, index, image)?;
        all_evaluate &= evaluation.toplevel.is_ok();
        let failed = evaluation
            .toplevel
            .err()
            .map(|problem| here(problem, iso))
            .transpose()?;
        let mut found = facts(iso, &evaluation.facts);
        found.extend(own_disks(iso, index, &evaluation.facts));
        if let Some(nix) = &evaluation.facts.nix {
            found.extend(inputs::unreadable_there(&iso.tree, nix)?);
        }
        if failed.as_ref().is_none_or(|problem| problem.code != "assertion") {
            found.extend(assertions(&evaluation.facts));
        }
        found.extend(failed);
        // What two hosts share is told once.
        found.retain(|problem| !problems.contains(problem));
        problems.extend(found);
    }
    Ok(problems)
}

/// The broken rules, where Nix stopped at something else before it came to tell them.
fn assertions(facts: &Facts) -> impl Iterator<Item = Diagnostic> + '_ {
    let failed = facts.assertions.iter().flatten();
    failed.map(|failed| {
        Diagnostic::error("assertion", "The configuration contradicts itself").because(failed.message.trim())
    })
}

/// The same for the machine that makes the ISO: there is a network, and no log.
fn here(problem: Diagnostic, iso: &IsoDirectory) -> Result<Diagnostic> {
    let dir = iso.dir.display();
    Ok(match problem.code {
        UNKNOWN => problem.remedy(format!(
            "`nix eval path:{dir}#iso.drvPath --show-trace` shows what led to it."
        )),
        "flake-input-missing" | "not-on-medium" => {
            let what = problem.what.replace("is not on this medium", "cannot be fetched");
            Diagnostic::error("fetch", what)
                .because("The ISO is made with a network: either there is none, or it is not at that address any more.")
                .remedy(format!(
                    "Try again; `nix flake update NAME` in the configuration takes a newer one. {}",
                    left_out(&iso.tree, &problem.raw)?
                ))
                .raw(problem.raw)
        }
        _ => problem,
    })
}

/// How to go on without the inputs that `said` names, where nothing uses them.
fn left_out(tree: &Path, said: &str) -> Result<String> {
    let inputs = FlakeLock::load(tree)?.unwrap_or_default().inputs();
    // Git is asked for an address without the kind and the revision.
    let address = |input: &Input| {
        input
            .url
            .trim_start_matches("git+")
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let asked = inputs.iter().filter(|input| said.contains(&address(input)));
    let mut unused: Vec<String> = asked.map(|input| string(&input.name)).collect();
    if unused.is_empty() {
        unused.push(string("NAME"));
    }
    let unused = unused.join(" ");
    Ok(format!(
        "If the hosts do not use it, it need not be there: unusedInputs = [ {unused} ]; in flake.nix, beside `hosts`."
    ))
}

fn facts(iso: &IsoDirectory, facts: &Facts) -> Vec<Diagnostic> {
    let mut problems: Vec<Diagnostic> = facts.users.as_ref().and_then(nobody).into_iter().collect();
    if let Some(platform) = &facts.platform
        && *platform != iso.request.system
    {
        problems.push(other_platform(platform, &iso.request.system));
    }
    problems
}

/// The file systems that the configuration sets itself, and not in the file that the installer replaces.
fn own_disks(iso: &IsoDirectory, index: usize, facts: &Facts) -> Option<Diagnostic> {
    let host = iso.request.hosts.get(index).map(String::as_str);
    let named = iso.settings.hardware_config.as_deref();
    let hardware = hardware::choose(&iso.tree, iso.kind, host, named).ok()?.path;
    let root = facts
        .disks
        .as_ref()?
        .file_systems
        .iter()
        .find(|system| system.at == "/")?;
    if root.set.iter().any(|one| Path::new(&one.file).ends_with(&hardware)) {
        return None;
    }
    let problem = Diagnostic::warning(
        "file-systems-fixed",
        "The configuration says itself which file systems the machine has",
    )
    .because(format!(
        "Its root is {}. The graphical installer makes partitions of its own and refuses such a configuration; in a terminal, nix-cfg-install takes it where just these file systems are mounted.",
        if root.device.is_empty() { "without a device" } else { &root.device }
    ))
    .remedy(format!(
        "For the graphical installer, remove them for this host (with disko: `disko.enableConfig = false;`) and import ./{}.",
        hardware.display()
    ));
    let file = root.set.first().map_or("", |one| &one.file);
    Some(disk_layout::at_file_system(
        problem,
        &iso.tree,
        &[hardware],
        &in_emitted(file),
        "/",
    ))
}

/// The file as it would be named in the tree alone, without the emitted folder around it.
fn in_emitted(file: &str) -> String {
    file.replacen(&format!("/{CONFIG_DIR}/"), "/", 1)
}

/// Nobody has a password: in the live system Calamares asks for one, the command line does not.
fn nobody(users: &Users) -> Option<Diagnostic> {
    let gets_in = users.elsewhere
        || users.no_password_login
        || !users.autologin.is_empty()
        || users
            .accounts
            .iter()
            .any(|account| account.password || !account.password_file.is_empty() || users.sshd && account.key);
    let name = users
        .accounts
        .iter()
        .find(|account| account.normal)
        .map_or("NAME", |account| &account.name);
    (!gets_in).then(|| {
        let problem = Diagnostic::warning("no-password", "No user of the configuration has a password").remedy(
            format!("Give one a password: users.users.{name}.initialHashedPassword = \"…\"; (`mkpasswd` makes it)."),
        );
        if users.mutable {
            problem.because("Calamares asks for one; after `nix-cfg-install` alone nobody could log in.")
        } else {
            problem.because(
                "users.mutableUsers is false: what is typed in the installer would not last, and nobody could log in.",
            )
        }
    })
}
