//! The locks of a flake: the configuration's own, and that of the ISO.

use std::path::Path;

use anyhow::Result;

use super::checked_directory::IsoDirectory;
use crate::diagnostic::{Diagnostic, IsoInputProblem};
use crate::process::{Invocation, Runner};
use crate::tree::declared_inputs;
use crate::tree::flake_lock::{FLAKE_LOCK, FlakeLock, Input};
use crate::tree::source::FLAKE_NIX;

/// The first Nix that writes and reads relative inputs with a `parent`.
const PARENTS: (u32, u32) = (2, 26);

/// The problems of the inputs.
pub(super) fn inputs(iso: &IsoDirectory, runner: &Runner) -> Result<Vec<Diagnostic>> {
    let mut problems = declared_inputs::problems(&iso.configuration)?;
    if let Some(lock) = FlakeLock::load(&iso.configuration)? {
        problems.extend(lock.inputs().iter().filter_map(outside));
    }
    if let Some(outer) = FlakeLock::load(&iso.dir)?
        && let Some(version) = nix_version(runner)
        && let Some(config) = outer.inputs().iter().find(|input| input.name == "config")
    {
        problems.extend(unreadable(config, version).map(Diagnostic::from));
    }
    Ok(problems)
}

/// The problem of an input that is on this machine, outside of the configuration: nobody else has it. One in the store is
/// copied to the ISO, and Nix finds it by its hash (where the registry of a machine pins nixpkgs, `nixpkgs` is locked so).
fn outside(input: &Input) -> Option<Diagnostic> {
    let in_store = input.url.starts_with("path:/nix/store/") && input.nar_hash.is_some();
    let local = input.kind == "path" && !input.relative && !in_store || input.url.starts_with("git+file:");
    let leaves = input.relative && input.url.trim_start_matches("path:").starts_with("..");
    (local || leaves).then(|| {
        let problem = IsoInputProblem::Outside {
            name: input.name.clone(),
            url: input.url.clone(),
        };
        Diagnostic::from(problem).at(FLAKE_LOCK, None, None)
    })
}

/// The problem of a flake.lock of the ISO that this Nix cannot read: each reads one form (measured with 2.8, 2.26 and 2.34).
fn unreadable(config: &Input, version: (u32, u32)) -> Option<IsoInputProblem> {
    let is_new = version >= PARENTS;
    let nix = format!("{}.{}", version.0, version.1);
    if config.has_parent == is_new {
        None
    } else if is_new {
        Some(IsoInputProblem::OldLock { nix })
    } else {
        Some(IsoInputProblem::NewLock { nix })
    }
}

/// The first Nix that knows attributes of `inputs.self`: 2.26 refuses the flake.
const ATTRIBUTES_OF_SELF: (u32, u32) = (2, 27);

/// The inputs in the configuration's own lock, and the attributes of `inputs.self`, that the live system's Nix, of version
/// `nix`, cannot read.
pub(super) fn unreadable_on_target(configuration: &Path, nix: &str) -> Result<Vec<Diagnostic>> {
    let Some(version) = version(nix) else {
        return Ok(Vec::new());
    };
    let of_self = declared_inputs::of_self(configuration).into_iter();
    let unknown = of_self.filter(|_| version < ATTRIBUTES_OF_SELF);
    let unknown = unknown.map(|name| {
        let nix = nix.to_owned();
        Diagnostic::from(IsoInputProblem::SelfOfTarget { nix, name }).at(FLAKE_NIX, None, None)
    });
    let lock = FlakeLock::load(configuration)?.unwrap_or_default();
    let inputs = lock.inputs().into_iter();
    let unreadable = inputs.filter(|input| input.relative && input.has_parent != (version >= PARENTS));
    let problem = |input: Input| {
        let (nix, input) = (nix.to_owned(), input.name);
        Diagnostic::from(IsoInputProblem::LockOfTarget { nix, input }).at(FLAKE_LOCK, None, None)
    };
    Ok(unreadable.map(problem).chain(unknown).collect())
}

/// The version of the Nix in PATH; `None` without one.
fn nix_version(runner: &Runner) -> Option<(u32, u32)> {
    let said = runner.output(&Invocation::new("nix").arg("--version")).ok()?;
    version(said.split_whitespace().last()?)
}

/// The first two numbers of a version.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_flake_fetches_itself_is_not_known_to_an_older_nix_of_the_live_system() {
        let tree = tempfile::tempdir().unwrap();
        let flake = "{ inputs.self.submodules = true; outputs = _: { }; }";
        std::fs::write(tree.path().join(FLAKE_NIX), flake).unwrap();
        let problems = |nix| unreadable_on_target(tree.path(), nix).unwrap();
        assert!(problems("2.27.0").is_empty());
        let [problem] = problems("2.18.8").try_into().unwrap();
        assert!(
            problem.what.contains("2.18.8 does not know `inputs.self.submodules`"),
            "{problem}"
        );
    }

    #[test]
    fn neither_form_of_the_lock_is_offered_to_a_nix_that_reads_the_other() {
        let input = |has_parent| Input {
            name: "config".to_owned(),
            url: "path:./nix-cfg".to_owned(),
            kind: "path".to_owned(),
            nar_hash: None,
            relative: true,
            has_parent,
        };
        assert!(unreadable(&input(true), (2, 26)).is_none() && unreadable(&input(false), (2, 18)).is_none());
        let old = Diagnostic::from(unreadable(&input(true), (2, 18)).unwrap()).to_string();
        assert!(
            old.contains("this is Nix 2.18") && old.contains("Nix 2.26 or newer"),
            "{old}"
        );
        let new = Diagnostic::from(unreadable(&input(false), (2, 34)).unwrap()).to_string();
        assert!(
            new.contains("an older Nix") && new.contains("Remove flake.lock"),
            "{new}"
        );
    }
}
