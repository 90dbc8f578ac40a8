//! The rules of NixOS modules that the configuration breaks, and their warnings.

use std::path::Path;

use crate::diagnostic::{
    AccountProblem, BootProblem, Diagnostic, ExpressionProblem, FileSystemProblem, Problem, Severity,
};
use crate::nix::facts::{Assertion, Facts};
use crate::tree::locate::in_tree;

/// A rule of nixpkgs whose violation a check finds in the values as well, and reports with this machine's disks and files.
struct Overlap {
    /// A part of the rule's message in nixpkgs 24.05 and 26.11.
    message: &'static str,
    is_found: fn(&Problem) -> bool,
}

const OVERLAPS: [Overlap; 3] = [
    // nixos/modules/system/boot/stage-1.nix and systemd/initrd.nix
    Overlap {
        message: "does not specify your root file system",
        is_found: |problem| matches!(problem, Problem::FileSystemProblem(FileSystemProblem::NoRoot { .. })),
    },
    // nixos/modules/config/users-groups.nix
    Overlap {
        message: "Neither the root account nor any wheel user has a password",
        is_found: |problem| {
            use AccountProblem::{NobodyCanLogIn, NobodyIsRoot};
            matches!(problem, Problem::AccountProblem(NobodyCanLogIn { .. } | NobodyIsRoot))
        },
    },
    // nixos/modules/system/boot/loader/grub/grub.nix
    Overlap {
        message: "You must set the option ‘boot.loader.grub.devices’",
        is_found: |problem| {
            use BootProblem::{GrubDeviceNone, NeedsBios};
            matches!(problem, Problem::BootProblem(GrubDeviceNone { .. } | NeedsBios { .. }))
        },
    },
];

/// One problem for each broken rule that is not among `found`, at its place in the tree at `root`. A warning does not stand for a
/// rule: NixOS makes no system that breaks one.
pub fn assertions(facts: &Facts, root: &Path, found: &[Diagnostic]) -> Vec<Diagnostic> {
    let errors = || found.iter().filter(|problem| problem.severity == Severity::Error);
    let is_found = |failed: &&Assertion| {
        let mut overlaps = OVERLAPS.iter().filter(|rule| failed.message.contains(rule.message));
        overlaps.any(|rule| errors().any(|problem| (rule.is_found)(&problem.problem)))
    };
    let problem = |failed: &Assertion| {
        let message = failed.message.trim().to_owned();
        let problem = Diagnostic::from(ExpressionProblem::Assertion { message });
        match in_tree(&failed.file, root) {
            Some(file) => problem.at(file, (failed.line > 0).then_some(failed.line), None),
            None => problem,
        }
    };
    let failed = facts.assertions.iter().flatten();
    failed.filter(|failed| !is_found(failed)).map(problem).collect()
}

/// One problem for each warning.
pub(super) fn warnings(facts: &Facts) -> impl Iterator<Item = Diagnostic> {
    let messages = facts.warnings.iter().flatten();
    messages.map(|text| {
        let message = text.trim().to_owned();
        ExpressionProblem::Warning { message }.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The broken rules that are reported beside `found`.
    fn reported(rules: &[&str], found: &[Diagnostic]) -> Vec<String> {
        let assertion = |message: &&str| Assertion {
            message: (*message).to_owned(),
            ..Assertion::default()
        };
        let facts = Facts {
            assertions: Some(rules.iter().map(assertion).collect()),
            ..Facts::default()
        };
        let problems = assertions(&facts, Path::new("/nonexistent"), found);
        problems.into_iter().map(|problem| problem.why).collect()
    }

    #[test]
    fn a_rule_is_not_reported_beside_the_problem_that_a_check_found() {
        let rules = [
            "The ‘fileSystems’ option does not specify your root file system.",
            "The moon must be full.",
        ];
        let no_root = FileSystemProblem::NoRoot {
            hardware: "hardware-configuration.nix".into(),
            imported: false,
        };
        assert_eq!(reported(&rules, &[no_root.into()]), ["The moon must be full."]);
        assert_eq!(reported(&rules, &[AccountProblem::NobodyIsRoot.into()]).len(), 2);
    }

    #[test]
    fn a_rule_is_reported_beside_a_warning_of_the_same_because_only_an_error_keeps_the_system_from_being_installed() {
        let rules = ["Neither the root account nor any wheel user has a password or SSH authorized key."];
        let nobody = |mutable| AccountProblem::NobodyCanLogIn { key: false, mutable }.into();
        assert_eq!(reported(&rules, &[AccountProblem::NobodyIsRoot.into()]), rules);
        assert_eq!(reported(&rules, &[nobody(true)]), rules);
        assert_eq!(reported(&rules, &[nobody(false)]), [""; 0]);
    }
}
