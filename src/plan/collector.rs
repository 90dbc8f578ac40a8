//! The problems that were found so far.

use anyhow::Result;

use crate::diagnostic::{Diagnostic, Diagnostics, PlanProblem, Severity};
use crate::progress::Reporter;

/// Warnings are reported at once; errors are kept until nothing more can be found.
pub struct Found<'a> {
    report: &'a Reporter,
    errors: Vec<Diagnostic>,
}

impl<'a> Found<'a> {
    /// Nothing yet.
    pub fn new(report: &'a Reporter) -> Self {
        Self {
            report,
            errors: Vec::new(),
        }
    }

    /// Takes a problem, unless it is known: two looks can find the same.
    pub fn add(&mut self, problem: Diagnostic) {
        if problem.severity == Severity::Warning {
            self.report.problem(&problem);
        } else if !self.errors.iter().any(|known| known.is_same(&problem)) {
            self.errors.push(problem);
        }
    }

    /// Takes several.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = Diagnostic>) {
        problems.into_iter().for_each(|problem| self.add(problem));
    }

    /// Takes the problems of a look that failed with them, so that the others still run; other errors go up.
    pub fn keep<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.extend(Diagnostics::of(error)?);
                Ok(None)
            }
        }
    }

    /// Takes what a probe found, or says that it could not look: that blocks nothing, and is never silent.
    pub fn probe<T>(&mut self, what: &str, outcome: Result<T>) -> Option<T> {
        outcome
            .inspect_err(|error| self.add(not_checked(what, &format!("{error:#}"))))
            .ok()
    }

    /// Whether the configuration is refused.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// All errors, as the outcome of the phase.
    pub fn into_error(self) -> anyhow::Error {
        Diagnostics(self.errors).into()
    }
}

/// A probe that failed itself.
pub fn not_checked(what: &str, why: &str) -> Diagnostic {
    let (what, cause) = (what.to_owned(), why.to_owned());
    PlanProblem::NotChecked { what, cause }.into()
}
