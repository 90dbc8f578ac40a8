//! `nix-cfg-iso doctor`: what would go wrong, found before the ISO is built for an hour.

mod checked_directory;
mod configuration_tree;
mod inputs;
mod on_machine;
mod origin;
mod evaluated;
mod untracked;
#[cfg(test)]
mod doctor_tests;
#[cfg(test)]
mod origin_tests;

use std::path::Path;

use anyhow::Result;

use super::flake_template::build_command;
use super::fleet_answers;
use super::manifest::Manifest;
use crate::diagnostic::{Diagnostic, IsoChannelProblem, IsoDirectoryProblem, IsoHostProblem, Problem, SupplyProblem};
use crate::process::Runner;
use crate::text::shell_word;
use crate::tree::lint;
use crate::tree::source::ConfigKind;
use checked_directory::IsoDirectory;
pub use on_machine::MachineToCome;

/// Checks the ISO directory `dir`, an absolute path; with `evaluate` Nix evaluates it as well, also for a machine `to_come`.
/// Returns all problems, errors and warnings.
///
/// # Errors
/// When it is not an ISO directory, has no configuration, or cannot be read.
pub fn doctor(runner: &Runner, dir: &Path, evaluate: bool, to_come: Option<&MachineToCome>) -> Result<Vec<Diagnostic>> {
    let iso = IsoDirectory::open(dir)?;
    let mut problems: Vec<Diagnostic> = configuration_tree::size(&iso)?.into_iter().collect();
    problems.extend(lint::lacking(&iso.configuration));
    problems.extend(origin::problems(&iso));
    problems.extend(fleet_answers::problems(dir, &iso.spec, iso.settings.host.as_deref()));
    problems.extend(configuration_tree::host_of_settings(&iso));
    problems.extend(configuration_tree::hardware(&iso, evaluate));
    problems.extend(configuration_tree::platform(&iso));
    match iso.kind {
        ConfigKind::Flake => problems.extend(inputs::inputs(&iso, runner)?),
        ConfigKind::Channel if iso.missing.is_empty() => {
            problems.extend(configuration_tree::lookups(&iso, evaluate));
            problems.extend(configuration_tree::fetches(&iso));
        }
        // The channels are in a file that is missing.
        ConfigKind::Channel => {}
    }
    if !evaluate {
        // Where Nix is asked, it decides.
        for tree in iso.trees() {
            let broken = lint::bad_modules(&tree, iso.kind).into_iter();
            problems.extend(broken.map(|module| module.problem));
        }
        problems.extend(configuration_tree::options(&iso));
    }
    problems.extend(untracked::uncommitted(&iso, runner)?);
    if !iso.missing.is_empty() {
        let (dir, files) = (iso.dir, iso.missing);
        problems.push(IsoDirectoryProblem::FilesMissing { dir, files }.into());
        return Ok(problems);
    }
    if evaluate {
        let known = problems.iter().any(is_lookup);
        // What was found in the files is reported also where Nix cannot be asked.
        let found = match evaluated::problems(&iso, runner, to_come) {
            Ok(found) => found,
            Err(error) => vec![error.downcast::<Diagnostic>()?],
        };
        if found.iter().any(is_lost_host) {
            // Which hardware file belongs to a host that does not exist is no question.
            problems.retain(|problem| !matches!(problem.problem, Problem::HardwareProblem(_)));
        }
        // Nix stops at one of those that are known already.
        problems.extend(found.into_iter().filter(|problem| !known || !is_lookup(problem)));
    }
    Ok(problems)
}

/// Why the configuration in `tree` does not fit the flake of the ISO directory `dir`, as far as `init` would refuse or warn.
pub(super) fn misfits(dir: &Path, manifest: &Manifest, tree: &Path) -> Result<Vec<Diagnostic>> {
    let iso = IsoDirectory::with(dir, manifest, tree.to_owned())?;
    let hardware = configuration_tree::hardware(&iso, true).into_iter();
    let mut problems: Vec<Diagnostic> = hardware
        .filter(|problem| matches!(problem.problem, Problem::HardwareProblem(_)))
        .collect();
    if iso.kind == ConfigKind::Channel && iso.missing.is_empty() {
        problems.extend(configuration_tree::lookups(&iso, false));
        problems.extend(configuration_tree::fetches(&iso));
    }
    Ok(problems)
}

/// Whether it is a host that the flake does not have.
fn is_lost_host(problem: &Diagnostic) -> bool {
    matches!(problem.problem, Problem::IsoHostProblem(IsoHostProblem::OfIso { .. }))
}

/// Whether it is a channel that the ISO does not have.
fn is_lookup(problem: &Diagnostic) -> bool {
    matches!(
        problem.problem,
        Problem::IsoChannelProblem(IsoChannelProblem::NotInFlake { .. })
            | Problem::SupplyProblem(SupplyProblem::ChannelMissing { .. })
    )
}

/// What is reported where [`doctor`] found no error in the absolute path `dir`.
#[must_use]
pub fn summary(dir: &Path, evaluated: bool) -> String {
    let build = build_command(dir);
    if evaluated {
        return format!("{} can be built: {build}", dir.display());
    }
    format!(
        "No error was found in the files of {}: links, secrets, submodules, the hardware file, the system, channels, flake \
         inputs and their locks, Git, the syntax of flake.nix or of what configuration.nix certainly imports.\n\
         Not looked at, because nothing was evaluated: other files, options, packages, users, file systems, whether the inputs can be \
         fetched, whether nixpkgs has the live system, and the image itself. To find out whether it can be built:\n    \
         nix-cfg-iso doctor {}",
        dir.display(),
        shell_word(dir.as_os_str())
    )
}
