//! Which input of a flake Nix means when it cannot use one: each version of Nix names it in another way.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::diagnostic::{Diagnostic, ExpressionProblem, FlakeProblem, LockFeature, Problem, SupplyProblem};
use crate::process::Runner;
use crate::store::database;
use crate::store_path::of_source;
use crate::tree::declared_inputs;
use crate::tree::flake_lock::{FLAKE_LOCK, FlakeLock, Input};

/// What `problem`, with which the evaluation of the flake at `root` ended, means: one problem for each input, or `problem`
/// itself.
///
/// # Errors
/// When the store cannot be queried.
pub fn explain(runner: &Runner, root: &Path, problem: Diagnostic) -> Result<Vec<Diagnostic>> {
    let lock = match FlakeLock::load(root) {
        Ok(lock) => lock.unwrap_or_default(),
        // That is why, then.
        Err(error) => return Ok(vec![error.downcast::<Diagnostic>()?.raw(problem.raw)]),
    };
    let inputs = lock.inputs();
    let relative = |with_parent| {
        let relative = inputs.iter().filter(|input| input.relative);
        relative.filter(move |input| input.has_parent == with_parent)
    };
    let mut found = match &problem.problem {
        Problem::FlakeProblem(FlakeProblem::LockIncomplete) if relative(true).next().is_some() => relative(true)
            .map(|input| {
                too_new(
                    input,
                    "Nix 2.25 and older cannot read an input at a relative path with a `parent`.",
                )
            })
            .collect(),
        Problem::FlakeProblem(FlakeProblem::LockTooNew { feature, said }) => {
            let has_feature = |input: &&Input| match feature {
                LockFeature::RelativePath => input.relative,
                LockFeature::Other => input.kind == "tarball",
            };
            inputs
                .iter()
                .filter(has_feature)
                .map(|input| too_new(input, said))
                .collect()
        }
        // While a flake is evaluated, what is downloaded is mostly one of its inputs.
        Problem::SupplyProblem(SupplyProblem::Download { urls, .. }) => {
            let mut asked_for = inputs.clone();
            asked_for.retain(|input| urls.iter().any(|url| url.contains(&input.url)));
            absent(runner, &asked_for)?
        }
        Problem::ExpressionProblem(ExpressionProblem::FileMissing { .. }) => relative(false).map(too_old).collect(),
        Problem::FlakeProblem(FlakeProblem::LockIncomplete | FlakeProblem::InputNotFetched { .. }) => {
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

/// The inputs of a flake that could be evaluated.
#[derive(Default)]
pub struct Inputs {
    /// The store paths of those that are in the live system's store, each with the input's name.
    pub sources: BTreeMap<String, String>,
    /// The names of those that are not: the evaluation did not use them.
    pub unused: Vec<String>,
}

/// The inputs of the flake at `root`.
///
/// # Errors
/// When the lock cannot be read, or the store cannot be queried.
pub fn inputs(runner: &Runner, root: &Path) -> Result<Inputs> {
    let inputs = FlakeLock::load(root)?.unwrap_or_default().inputs();
    let (present, absent) = located(runner, &inputs)?;
    let named = present.into_iter().map(|(input, path)| (path, input.name.clone()));
    Ok(Inputs {
        sources: named.collect(),
        unused: absent.into_iter().map(|(input, _)| input.name.clone()).collect(),
    })
}

/// The inputs whose source is not in the live system's store. `nix flake metadata` does not report it (Nix 2.8 to 2.34).
fn absent(runner: &Runner, inputs: &[Input]) -> Result<Vec<Diagnostic>> {
    let (_, absent) = located(runner, inputs)?;
    let missing = |(input, path): (&Input, String)| {
        let (name, url) = (input.name.clone(), input.url.clone());
        in_lock(FlakeProblem::InputMissing { name, url, path })
    };
    Ok(absent.into_iter().map(missing).collect())
}

/// An input, and the store path of its source, whether it exists or not.
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

fn too_new(input: &Input, reason: &str) -> Diagnostic {
    in_lock(FlakeProblem::InputTooNew {
        name: input.name.clone(),
        url: input.url.clone(),
        reason: reason.to_owned(),
    })
}

fn too_old(input: &Input) -> Diagnostic {
    let (name, url) = (input.name.clone(), input.url.clone());
    in_lock(FlakeProblem::InputTooOld { name, url })
}

fn in_lock(problem: FlakeProblem) -> Diagnostic {
    Diagnostic::from(problem).at(FLAKE_LOCK, None, None)
}
