//! What a flake's locks tell: the configuration's own, and that of the emitted folder.

use std::path::Path;

use anyhow::Result;

use super::IsoDirectory;
use crate::diagnostic::Diagnostic;
use crate::process::{Invocation, Runner};
use crate::tree::declared_inputs;
use crate::tree::flake_lock::{FLAKE_LOCK, FlakeLock, Input};

/// The Nix that writes relative inputs with a `parent`, and the first that can read that.
const PARENTS: (u32, u32) = (2, 26);

/// All problems of the inputs.
pub fn inputs(iso: &IsoDirectory, runner: &Runner) -> Result<Vec<Diagnostic>> {
    let mut problems = declared_inputs::problems(&iso.tree)?;
    if let Some(lock) = FlakeLock::load(&iso.tree)? {
        problems.extend(lock.inputs().iter().filter_map(outside));
    }
    if let Some(outer) = FlakeLock::load(&iso.dir)?
        && let Some(version) = nix_version(runner)
        && let Some(config) = outer.inputs().iter().find(|input| input.name == "config")
    {
        problems.extend(unreadable(config, version));
    }
    Ok(problems)
}

/// An input that lies on this machine, outside of the tree: nobody else has it. One in the store travels, and Nix finds it
/// by its hash (where the registry of a machine pins nixpkgs, `nixpkgs` is locked so).
fn outside(input: &Input) -> Option<Diagnostic> {
    let in_store = input.url.starts_with("path:/nix/store/") && input.nar_hash.is_some();
    let local = input.kind == "path" && !input.relative && !in_store || input.url.starts_with("git+file:");
    let leaves = input.relative && input.url.trim_start_matches("path:").starts_with("..");
    (local || leaves).then(|| {
        Diagnostic::error(
            "input-outside",
            format!("The input `{}` lies outside of the configuration: {}", input.name, input.url),
        )
        .at(FLAKE_LOCK, None, None)
        .because("The target gets the configuration alone, and evaluates it there with the same lock.")
        .remedy(format!(
            "Move it into the tree and write inputs.{}.url = \"path:./FOLDER\", or put it where everybody can fetch it; \
             then `nix flake lock`.",
            input.name
        ))
    })
}

/// The emitted lock is of one style, and each Nix reads one: measured on 2.8, 2.26 and 2.34.
fn unreadable(config: &Input, version: (u32, u32)) -> Option<Diagnostic> {
    let new = version >= PARENTS;
    (config.has_parent != new).then(|| {
        let (what, remedy) = if new {
            (
                "an older Nix",
                "Remove flake.lock of the folder that is built: it is made again, from the configuration's own.",
            )
        } else {
            (
                "Nix 2.26 or newer",
                "Build the ISO with Nix 2.26 or newer, or remove flake.lock of the folder that is built.",
            )
        };
        let (major, minor) = version;
        lock_style(format!(
            "The ISO's flake.lock was written by {what}, and this is Nix {major}.{minor}"
        ))
        .remedy(remedy)
    })
}

fn lock_style(what: String) -> Diagnostic {
    Diagnostic::error("lock-style", what)
        .because("Nix 2.26 changed how an input inside of the flake is written, and neither reads the other's.")
}

/// The same for the configuration's own lock and the live system's Nix, of version `nix`: that one evaluates it on the target.
pub fn unreadable_there(tree: &Path, nix: &str) -> Result<Vec<Diagnostic>> {
    let (Some(lock), Some(version)) = (FlakeLock::load(tree)?, version(nix)) else {
        return Ok(Vec::new());
    };
    let inputs = lock.inputs().into_iter();
    let unreadable = inputs.filter(|input| input.relative && input.has_parent != (version >= PARENTS));
    let problem = |input: Input| {
        lock_style(format!(
            "The live system's Nix {nix} cannot read how flake.lock locks the input `{}`",
            input.name
        ))
            .at(FLAKE_LOCK, None, None)
            .remedy("Give the live system another Nix, with `nix.package` in `modules` of flake.nix; or take the input out of the inputs: files of the configuration need none.")
    };
    Ok(unreadable.map(problem).collect())
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
    fn each_nix_is_told_when_it_cannot_read_the_lock_of_the_other() {
        let input = |has_parent| Input {
            name: "config".to_owned(),
            url: "path:./nix-cfg".to_owned(),
            kind: "path".to_owned(),
            nar_hash: None,
            relative: true,
            has_parent,
        };
        assert!(unreadable(&input(true), (2, 26)).is_none() && unreadable(&input(false), (2, 18)).is_none());
        let old = unreadable(&input(true), (2, 18)).unwrap().to_string();
        assert!(
            old.contains("this is Nix 2.18") && old.contains("Nix 2.26 or newer"),
            "{old}"
        );
        let new = unreadable(&input(false), (2, 34)).unwrap().to_string();
        assert!(
            new.contains("an older Nix") && new.contains("Remove flake.lock"),
            "{new}"
        );
    }
}
