//! Why Nix could not use a flake's inputs, by name: its own words name one, in another way in each version.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::diagnostic::Diagnostic;
use crate::process::Runner;
use crate::store::database;
use crate::store::path::of_source;
use crate::tree::declared_inputs;
use crate::tree::flake_lock::{FLAKE_LOCK, FlakeLock, Input};

/// What `problem`, which Nix ended with, means for the flake at `root`: one problem an input, or `problem` itself.
///
/// # Errors
/// When the lock cannot be read, or Nix does not say what is in its store.
pub fn explain(runner: &Runner, root: &Path, problem: Diagnostic) -> Result<Vec<Diagnostic>> {
    let lock = match FlakeLock::load(root) {
        Ok(lock) => lock.unwrap_or_default(),
        // That is why, then.
        Err(error) => return Ok(vec![error.downcast::<Diagnostic>()?.raw(problem.raw)]),
    };
    let inputs = lock.inputs();
    let relative = |with_parent| {
        inputs
            .iter()
            .filter(move |input| input.relative && input.has_parent == with_parent)
    };
    let mut found = match problem.code {
        "flake-lock-incomplete" if relative(true).next().is_some() => relative(true)
            .map(|input| {
                too_new(
                    input,
                    "A relative path as an input, with its `parent`, is written by Nix 2.26 and later.",
                )
            })
            .collect(),
        "flake-lock-too-new" => inputs
            .iter()
            .filter(|input| {
                if problem.why.contains("relative path") {
                    input.relative
                } else {
                    input.kind == "tarball"
                }
            })
            .map(|input| too_new(input, &problem.why))
            .collect(),
        // While a flake is evaluated, what is downloaded is mostly one of its inputs.
        "not-on-medium" => {
            let mut asked_for = inputs.clone();
            asked_for.retain(|input| problem.raw.contains(&input.url));
            absent(runner, &asked_for)?
        }
        "file-missing" => relative(false).map(too_old).collect(),
        "flake-lock-incomplete" | "flake-input-missing" => {
            let mut found = declared_inputs::problems(root)?;
            if found.is_empty() {
                found = absent(runner, &inputs)?;
            }
            found
        }
        _ => Vec::new(),
    };
    match found.first_mut() {
        Some(first) => first.raw = problem.raw,
        None => found.push(problem),
    }
    Ok(found)
}

/// The sources of the inputs of the flake at `root`, as far as the live system's store has them, each with its input's name.
///
/// # Errors
/// When the lock cannot be read, or Nix does not say what is in its store.
pub fn sources(runner: &Runner, root: &Path) -> Result<BTreeMap<String, String>> {
    let inputs = FlakeLock::load(root)?.unwrap_or_default().inputs();
    let (present, _) = located(runner, &inputs)?;
    Ok(present
        .into_iter()
        .map(|(input, path)| (path, input.name.clone()))
        .collect())
}

/// The inputs whose source is not in the live system's store. `nix flake metadata` does not tell (Nix 2.8 to 2.34).
fn absent(runner: &Runner, inputs: &[Input]) -> Result<Vec<Diagnostic>> {
    let (_, absent) = located(runner, inputs)?;
    Ok(absent.iter().map(|(input, path)| not_here(input, path)).collect())
}

/// An input, and where its source is or would be.
type Located<'a> = (&'a Input, String);

/// Those whose source is in the live system's store, and those whose is not.
fn located<'a>(runner: &Runner, inputs: &'a [Input]) -> Result<(Vec<Located<'a>>, Vec<Located<'a>>)> {
    let located: Vec<Located<'_>> = inputs
        .iter()
        .filter_map(|input| Some((input, of_source(input.nar_hash.as_deref()?, "source")?)))
        .collect();
    let paths: Vec<&str> = located.iter().map(|(_, path)| path.as_str()).collect();
    let invalid = database::invalid(runner, None, &paths)?;
    let is_present = |(_, path): &Located<'_>| !invalid.contains(path);
    Ok(located.into_iter().partition(is_present))
}

fn not_here(input: &Input, path: &str) -> Diagnostic {
    Diagnostic::error(
        "flake-input-missing",
        format!("The flake input `{}` ({}) is not on this medium", input.name, input.url),
    )
    .at(FLAKE_LOCK, None, None)
    .because(format!(
        "Its source would be {path}, and nothing is there. Without a network it cannot be fetched."
    ))
    .remedy("Make the ISO from this configuration with this flake.lock; or install with --online.")
}

fn too_new(input: &Input, why: &str) -> Diagnostic {
    Diagnostic::error(
        "flake-lock-too-new",
        format!(
            "This version of Nix cannot read how flake.lock locks the input `{}` ({})",
            input.name, input.url
        ),
    )
    .at(FLAKE_LOCK, None, None)
    .because(why)
    .remedy("Make the ISO with the version of Nix that wrote the lock.")
}

fn too_old(input: &Input) -> Diagnostic {
    Diagnostic::error(
        "flake-lock-too-old",
        format!(
            "This version of Nix cannot read how flake.lock locks the input `{}` ({})",
            input.name, input.url
        ),
    )
    .at(FLAKE_LOCK, None, None)
    .because(
        "A relative path as an input has a `parent` in the lock since Nix 2.26; this one was locked by an earlier Nix.",
    )
    .remedy("Run `nix flake update` for this input with the version of Nix that is on the ISO, and make the ISO again.")
}
