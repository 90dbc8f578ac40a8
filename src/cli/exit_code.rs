//! The exit codes that say that the machine is the wrong one, whatever was asked for: the same of both programs.

use crate::diagnostic::{Diagnostic, PlanProblem, Problem, ProgramProblem};

/// Root is needed.
const NOT_ROOT: u8 = 10;
/// Nix is not installed.
const NO_NIX: u8 = 11;

/// The exit code of a run that ended with `problems`; `otherwise` where none of them is about the machine itself.
pub(super) fn of(problems: &[Diagnostic], otherwise: u8) -> u8 {
    let own = |problem: &Diagnostic| match problem.problem {
        Problem::PlanProblem(PlanProblem::NotRoot) => Some(NOT_ROOT),
        Problem::ProgramProblem(ProgramProblem::NoNix) => Some(NO_NIX),
        _ => None,
    };
    problems.iter().find_map(own).unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_machine_has_codes_of_its_own() {
        let missing = || ProgramProblem::Missing {
            program: "git".to_owned(),
            line: String::new(),
        };
        assert_eq!(of(&[missing().into()], 3), 3);
        assert_eq!(of(&[], 1), 1);
        assert_eq!(of(&[PlanProblem::NotRoot.into()], 2), 10);
        assert_eq!(of(&[missing().into(), ProgramProblem::NoNix.into()], 1), 11);
    }
}
