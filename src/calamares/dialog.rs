//! The error dialog of Calamares: a title, and details of which about nine lines are visible. The cause comes first.

use std::path::Path;

use crate::nix::command::shell_word;
use crate::report::{Phase, Problem};

/// What is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialog {
    /// One line.
    pub title: String,
    /// Plain text.
    pub details: String,
}

/// An installation that a person can finish.
#[derive(Debug, Clone, Copy)]
pub struct ByHand<'a> {
    /// Where the disk is mounted.
    pub target: &'a Path,
    /// Whose password is still to be set; may be empty.
    pub login: &'a str,
}

/// Words for a failure in `phase` with these problems. `by_hand` is absent before the disk was touched; `log` is where the whole
/// story is.
#[must_use]
pub fn dialog(phase: Phase, problems: &[Problem], by_hand: Option<ByHand<'_>>, log: Option<&Path>) -> Dialog {
    let title = match problems {
        [one] => one.what.clone(),
        [] => format!("{} failed", phase.title()),
        several => format!("{} problems: {}", several.len(), several[0].what),
    };
    let mut parts: Vec<String> = match problems {
        // The title says what it is.
        [one] => vec![cause(one)],
        several => several
            .iter()
            .map(|problem| format!("{}\n{}", problem.what, cause(problem)))
            .collect(),
    };
    parts.retain(|part| !part.is_empty());
    parts.push(next(phase, by_hand, log));
    parts.extend(
        problems
            .iter()
            .filter(|problem| !problem.raw.is_empty())
            .map(|problem| problem.raw.clone()),
    );
    Dialog {
        title,
        details: parts.join("\n\n"),
    }
}

/// Where it is, why it matters, and what to do.
fn cause(problem: &Problem) -> String {
    let mut lines = Vec::new();
    lines.extend(problem.place.as_ref().map(ToString::to_string));
    if !problem.why.is_empty() {
        lines.push(problem.why.clone());
    }
    if !problem.remedy.is_empty() {
        lines.push(format!("What to do: {}", problem.remedy));
    }
    lines.join("\n")
}

/// What is kept, how to go on, where the log is.
fn next(phase: Phase, by_hand: Option<ByHand<'_>>, log: Option<&Path>) -> String {
    let mut lines = Vec::new();
    if let Some(ByHand { target, login }) = by_hand {
        let kept = if phase <= Phase::Check {
            "The disk is partitioned, and nothing is installed yet."
        } else {
            "What was installed so far is kept on the disk."
        };
        let target = shell_word(target.as_os_str());
        lines.push(format!("{kept} To go on by hand, in a terminal:"));
        lines.push(format!("    sudo nix-cfg-install --target {target}"));
        if !login.is_empty() {
            let passwd = shell_word(format!("passwd {login}").as_ref());
            lines.push(format!("    sudo nixos-enter --root {target} -c {passwd}"));
        }
    } else {
        lines.push("Nothing was written to a disk. Correct it, and start the installation again.".to_owned());
    }
    if let Some(log) = log {
        lines.push(format!("Log: {}", log.display()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_comes_first_then_what_to_do_then_how_to_go_on_and_the_words_of_programs_last() {
        let problem = Problem::error("x", "It broke")
            .at("a.nix", Some(3), None)
            .because("It was old.")
            .remedy("Mend it.")
            .raw("error: 42");
        let by_hand = ByHand {
            target: Path::new("/tmp/calamares-root-x y"),
            login: "alice",
        };
        let shown = dialog(
            Phase::Copy,
            std::slice::from_ref(&problem),
            Some(by_hand),
            Some(Path::new("/l")),
        );
        assert_eq!(shown.title, "It broke");
        assert_eq!(
            shown.details,
            "a.nix:3\nIt was old.\nWhat to do: Mend it.\n\nWhat was installed so far is kept on the disk. To go on by hand, \
             in a terminal:\n    sudo nix-cfg-install --target '/tmp/calamares-root-x y'\n    sudo nixos-enter --root '/tmp/calamares-root-x y' -c \
             'passwd alice'\nLog: /l\n\nerror: 42"
        );
        let two = dialog(Phase::Check, &[problem.clone(), problem], None, None);
        assert_eq!(two.title, "2 problems: It broke");
        assert_eq!(two.details.matches("It broke\na.nix:3").count(), 2);
        assert!(two.details.contains("Nothing was written to a disk."));
    }
}
