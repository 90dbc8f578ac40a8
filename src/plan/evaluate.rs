//! Evaluates the configuration. Nix ends with the first error; so what caused it is omitted, and the rest is evaluated again, to
//! find what else is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::checks::file_systems::{self, Incomplete, Tree};
use super::checks::{self, Context};
use super::omissions::{Omission, Omissions, is_essential};
use super::{flake_inputs, hardware_files};
use crate::diagnostic::{Diagnostic, ExpressionProblem, FlakeProblem, PlanProblem, Problem, SupplyProblem};
use crate::nix::eval::{self, Configuration, Evaluated};
use crate::nix::explain;
use crate::nix::facts::{Facts, Refusal};
use crate::process::Runner;
use crate::progress::{Reporter, Unit};
use crate::tree::locate;
use crate::tree::source::ConfigKind;

/// How many evaluations there are at most.
const ROUNDS: usize = 5;

/// What is known after the last evaluation.
#[derive(Default)]
pub struct Outcome {
    /// The values that the checks compare.
    pub facts: Facts,
    /// The toplevel: of the system that will be installed only where nothing was omitted.
    pub toplevel: Option<Evaluated>,
    pub omissions: Omissions,
    /// What Nix reported, without consequences of what was omitted, and without the assertions.
    pub problems: Vec<Diagnostic>,
    /// What Nix printed about the assertions that failed; the facts have them one by one.
    assertions: Option<String>,
    /// What the configuration and its hardware configuration set to different values, by attribute path: it was removed from
    /// the latter.
    contradictions: Vec<Vec<String>>,
    /// What [`file_systems::incomplete`] found. It has values that were made up.
    completed: Incomplete,
}

impl Outcome {
    /// What is wrong with the values, without consequences of what was omitted.
    pub fn check(&self, context: &Context<'_>) -> Vec<Diagnostic> {
        let is_certain = |problem: &Diagnostic| !self.omissions.may_explain(problem);
        let mut found = checks::check(&self.facts, context, &self.contradictions);
        found.retain(is_certain);
        let mut problems = Vec::new();
        if let Some(raw) = &self.assertions {
            problems = checks::assertions(&self.facts, context.tree.root, &found);
            problems.retain(is_certain);
            if let Some(first) = problems.first_mut() {
                first.raw.clone_from(raw);
            }
        }
        problems.extend(found);
        // Without a toplevel there is an error that explains why values are unknown.
        if self.toplevel.is_some() {
            problems.extend(checks::unknown(&self.facts));
        }
        problems
    }

    /// The problem of a configuration of which something was omitted: what is evaluated is not what it says.
    pub fn incomplete(&self) -> Option<Diagnostic> {
        let raw = self.assertions.clone().unwrap_or_default();
        (!self.omissions.is_empty()).then(|| Diagnostic::from(PlanProblem::EvaluatedInPart).raw(raw))
    }

    /// Adds the packages that nixpkgs refused, without the one at which Nix stopped before.
    fn add_refused(&mut self, refused: &[Refusal], root: &Path) {
        for problem in refused.iter().map(|refusal| explain::refused(refusal, root)) {
            if !self.problems.iter().any(|known| known.says_the_same(&problem)) {
                self.problems.push(problem);
            }
        }
    }

    /// Takes `problem`, with which the evaluation ended, and omits what caused it. Returns whether there is something to omit.
    fn get_past(
        &mut self,
        problem: Diagnostic,
        (runner, configuration, tree): (&Runner, &Configuration, &Tree<'_>),
    ) -> Result<bool> {
        let root = &configuration.root;
        let contradictions = file_systems::contradictions(&self.facts, tree);
        // The first of them, or another contradiction; then Nix stops at these next.
        if is_conflict(&problem) && !contradictions.is_empty() {
            hardware_files::leave_out(root, &tree.hardware, &contradictions)?;
            self.contradictions.extend(contradictions);
            return Ok(true);
        }
        let incomplete = file_systems::incomplete(&self.facts);
        if is_unset(&problem) && self.completed.is_empty() && !incomplete.is_empty() {
            let Incomplete { systems, volumes } = &incomplete;
            hardware_files::complete(root, &tree.hardware, (systems, volumes))?;
            self.problems.extend(file_systems::completed(&self.facts, tree));
            self.completed = incomplete;
            return Ok(true);
        }
        let next = self.omissions.next(&problem, root);
        let problem = match file_systems::own_contradictions(&self.facts, tree) {
            Some(all) if is_disk_conflict(&problem) => all.raw(problem.raw),
            _ => problem,
        };
        let known_assertions = self.facts.assertions.as_ref().is_some_and(|failed| !failed.is_empty());
        let is_assertion = matches!(
            problem.problem,
            Problem::ExpressionProblem(ExpressionProblem::Assertion { .. })
        );
        if is_assertion && known_assertions {
            self.assertions = Some(problem.raw);
        } else {
            let problems = match configuration.kind {
                ConfigKind::Flake => flake_inputs::explain(runner, root, problem)?,
                ConfigKind::Channel => vec![fetched(problem, root)],
            };
            let certain = problems
                .into_iter()
                .filter(|problem| !self.omissions.may_explain(problem));
            self.problems.extend(certain);
        }
        match next {
            Some(Omission::Lenience(lenience)) => self.omissions.lenience = lenience,
            Some(Omission::File(file)) => self.omissions.omit(root, &file)?,
            Some(Omission::Attribute { file, was, rest }) => {
                self.omissions.omit_attribute(root, &file, (&was, &rest))?;
            }
            None => return Ok(false),
        }
        Ok(true)
    }
}

fn is_unset(problem: &Diagnostic) -> bool {
    matches!(
        problem.problem,
        Problem::ExpressionProblem(ExpressionProblem::OptionUnset { .. })
    )
}

/// A channel configuration has no inputs: what would have to be downloaded, it fetches itself. (Nix 2.8 does not say with what.)
fn fetched(problem: Diagnostic, root: &Path) -> Diagnostic {
    let url = match &problem.problem {
        Problem::FlakeProblem(FlakeProblem::InputNotFetched { input: Some(url) }) => url.clone(),
        Problem::SupplyProblem(SupplyProblem::Download { name: None, urls, .. }) => urls.join(", "),
        _ => return problem,
    };
    let fetch = SupplyProblem::Fetch { url: url.clone() };
    locate::at_fetch(fetch.into(), root, &url, "fetchTarball").raw(problem.raw)
}

fn is_conflict(problem: &Diagnostic) -> bool {
    use ExpressionProblem::{FileSystemConflict, OptionConflict};
    let conflict = &problem.problem;
    matches!(
        conflict,
        Problem::ExpressionProblem(FileSystemConflict { .. } | OptionConflict { .. })
    )
}

/// Whether Nix stopped at one of the options that [`file_systems::own_contradictions`] looks at.
fn is_disk_conflict(problem: &Diagnostic) -> bool {
    use ExpressionProblem::{FileSystemConflict, OptionConflict};
    let Problem::ExpressionProblem(OptionConflict { option, .. } | FileSystemConflict { option, .. }) =
        &problem.problem
    else {
        return false;
    };
    ["fileSystems.", "boot.initrd.luks.devices."]
        .iter()
        .any(|disks| option.starts_with(disks))
}

/// Evaluates the configuration; after an error, what is left of it too. `bad_modules` are files that are known not to be Nix,
/// or not to exist.
///
/// # Errors
/// When Nix cannot be run at all.
pub fn evaluate(
    (runner, report): (&Runner, &Reporter),
    configuration: &Configuration,
    tree: &Tree<'_>,
    bad_modules: &[PathBuf],
) -> Result<Outcome> {
    let root = &configuration.root;
    let mut outcome = Outcome::default();
    for module in bad_modules {
        if is_essential(module) {
            return Ok(outcome);
        }
        outcome.omissions.omit(root, module)?;
    }
    let usual = usual_parts(Path::new(STORE));
    for _ in 0..ROUNDS {
        let evaluation = eval::evaluate(runner, configuration, outcome.omissions.lenience, &mut |parts, name| {
            let total = usual.max(parts + usual / 4);
            report.progress(parts, total, Unit::Evaluated, name);
        })?;
        let mut facts = evaluation.facts;
        if outcome.omissions.lenience.assertions {
            // Those that failed are known from before.
            facts.assertions = None;
        }
        outcome.add_refused(&facts.refused, root);
        outcome.facts.update(facts);
        if let Some(disks) = &mut outcome.facts.disks {
            let Incomplete { systems, volumes } = &outcome.completed;
            disks.file_systems.retain(|system| !systems.contains(&system.name));
            disks.luks.retain(|volume| !volumes.contains(&volume.name));
        }
        let problem = match evaluation.toplevel {
            Ok(toplevel) => {
                outcome.toplevel = toplevel;
                break;
            }
            Err(problem) => problem,
        };
        if !outcome.get_past(problem, (runner, configuration, tree))? {
            break;
        }
    }
    Ok(outcome)
}

/// Where an evaluation writes the derivations.
const STORE: &str = "/nix/store";

/// How many parts (files and derivations) the evaluation of a small server has: 2,724 and 4,751 with nixpkgs 24.05.
const SMALL: u64 = 7_500;

/// How many parts the evaluation will have, as far as that can be known before its end: an earlier one has left its
/// derivations in the store at `store`, and reads about one file for two of them. When there are more, the bar goes on in
/// smaller steps.
fn usual_parts(store: &Path) -> u64 {
    let names = fs::read_dir(store).into_iter().flatten().flatten();
    let derivations = names
        .filter(|entry| entry.file_name().as_encoded_bytes().ends_with(b".drv"))
        .count() as u64;
    SMALL.max(derivations + derivations / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nix::lenience::Lenience;

    #[test]
    fn what_was_evaluated_without_a_part_is_not_what_is_installed() {
        let mut outcome = Outcome::default();
        assert!(outcome.incomplete().is_none());
        outcome.omissions.lenience = Lenience {
            assertions: true,
            ..Lenience::default()
        };
        outcome.assertions = Some("Failed assertions:\n- No.".to_owned());
        let problem = outcome.incomplete().unwrap();
        assert_eq!(problem.code, "evaluated-in-part");
        assert!(problem.raw.ends_with("- No."), "{}", problem.raw);
    }
}
