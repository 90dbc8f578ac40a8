//! The error dialog of Calamares: a title, and details of which about nine lines are visible. The cause comes first.

use std::path::Path;

use crate::apply::Written;
use crate::diagnostic::Diagnostic;
use crate::progress::Phase;
use crate::text::shell_word;

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
    /// The account whose password is still to be set; may be empty.
    pub login: &'a str,
}

/// What is visible of the details without scrolling, at the size of NixOS' window (800 × 520; measured with Calamares 3.3.14).
const LINES: usize = 9;
const COLUMNS: usize = 58;

/// The text for a failure of `phase` with these problems. The cause, cut where it is long, and how to go on are seen without
/// scrolling; the whole is below. `by_hand` is absent before the disk was touched.
pub fn dialog(
    (phase, written): (&Phase, Written),
    problems: &[Diagnostic],
    by_hand: Option<ByHand<'_>>,
    log: Option<&Path>,
) -> Dialog {
    let title = match problems {
        [one] => one.what.clone(),
        [] => format!("{} failed", phase.title),
        several => format!("{} problems: {}", several.len(), several[0].what),
    };
    let next = next(written, by_hand);
    let room = LINES.saturating_sub(next.iter().map(|line| height(line)).sum::<usize>() + 1);
    let (brief, whole) = match problems {
        // The title says what it is.
        [one] => brief(one, room),
        several => {
            let names: Vec<&str> = several.iter().map(|problem| problem.what.as_str()).collect();
            let whole = several.iter().map(|problem| join(&[&problem.what, &cause(problem)]));
            (cut(&names.join("\n"), room), whole.collect())
        }
    };
    let mut parts = vec![brief, next.join("\n")];
    parts.extend(whole);
    parts.extend(problems.iter().map(|problem| problem.raw.clone()));
    parts.extend(log.map(|log| format!("Log: {}", log.display())));
    parts.retain(|part| !part.is_empty());
    Dialog {
        title,
        details: parts.join("\n\n"),
    }
}

/// The cause and the remedy in at most `room` lines; and the whole, where that is more.
fn brief(problem: &Diagnostic, room: usize) -> (String, Vec<String>) {
    let whole = cause(problem);
    if height(&whole) <= room {
        return (whole, Vec::new());
    }
    let remedy = remedy(problem);
    let for_remedy = height(&remedy).min(room / 2);
    let why = cut(&why(problem), room - for_remedy);
    let brief = join(&[&why, &cut(&remedy, room.saturating_sub(height(&why)))]);
    (brief, vec![whole])
}

/// Where it is, and why it matters.
fn why(problem: &Diagnostic) -> String {
    let place = problem.place.as_ref().map(ToString::to_string).unwrap_or_default();
    join(&[&place, &problem.why])
}

fn remedy(problem: &Diagnostic) -> String {
    if problem.remedy.is_empty() {
        return String::new();
    }
    format!("What to do: {}", problem.remedy)
}

fn cause(problem: &Diagnostic) -> String {
    join(&[&why(problem), &remedy(problem)])
}

fn join(parts: &[&str]) -> String {
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.copied().collect::<Vec<_>>().join("\n")
}

/// How many lines of the dialog `text` takes; a line that is too long goes on in the next.
fn height(text: &str) -> usize {
    text.lines()
        .map(|line| line.chars().count().div_ceil(COLUMNS).max(1))
        .sum()
}

/// The beginning of `text`, in words, that takes at most `room` lines.
fn cut(text: &str, room: usize) -> String {
    let mut shown = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        if height(&format!("{shown}{} …", word.trim_end())) > room {
            if height(text) <= room {
                return text.to_owned();
            }
            return format!("{} …", shown.trim_end());
        }
        shown.push_str(word);
    }
    shown
}

/// What is kept, and how to go on, line by line.
fn next(written: Written, by_hand: Option<ByHand<'_>>) -> Vec<String> {
    if written == Written::Disks {
        let lines = [
            "The disk may be erased, and nothing is installed.",
            "Correct it, and start the installer again.",
        ];
        return lines.map(str::to_owned).into();
    }
    let Some(ByHand { target, login }) = by_hand else {
        return vec!["Nothing was written to a disk. Correct it, and start the installation again.".to_owned()];
    };
    let kept = match written {
        Written::Nothing => "Nothing is installed yet.",
        Written::Disks | Written::Target => "What is done is kept.",
    };
    let target = shell_word(target.as_os_str());
    let mut lines = vec![
        format!("{kept} To continue, in a terminal:"),
        format!("sudo nix-cfg-install --target {target}"),
    ];
    if !login.is_empty() {
        let passwd = shell_word(format!("passwd {login}").as_ref());
        lines.push(format!("sudo nixos-enter --root {target} -c {passwd}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "/tmp/calamares-root-ab12cd34";

    const PHASE: Phase = Phase {
        name: "copy",
        title: "Copying",
        seconds: 1.0,
    };

    fn by_hand() -> ByHand<'static> {
        ByHand {
            target: Path::new(TARGET),
            login: "alice",
        }
    }

    #[test]
    fn the_cause_comes_first_then_how_to_go_on_and_the_words_of_programs_last() {
        let problem = || {
            Diagnostic::example("It broke", "It was old.", "Fix it.")
                .at("a.nix", Some(3), None)
                .raw("error: 42")
        };
        let by_hand = ByHand {
            target: Path::new("/tmp/calamares-root-x y"),
            login: "alice",
        };
        let one = &[problem()];
        let shown = dialog((&PHASE, Written::Target), one, Some(by_hand), Some(Path::new("/l")));
        assert_eq!(shown.title, "It broke");
        assert_eq!(
            shown.details,
            "a.nix:3\nIt was old.\nWhat to do: Fix it.\n\nWhat is done is kept. To continue, in a terminal:\nsudo nix-cfg-install \
             --target '/tmp/calamares-root-x y'\nsudo nixos-enter --root '/tmp/calamares-root-x y' -c 'passwd alice'\n\nerror: 42\n\nLog: /l"
        );
        let two = dialog((&PHASE, Written::Nothing), &[problem(), problem()], None, None);
        assert_eq!(two.title, "2 problems: It broke");
        assert_eq!(two.details.matches("It broke\na.nix:3").count(), 2);
        assert!(two.details.contains("Nothing was written to a disk."));
        let half = dialog((&PHASE, Written::Disks), one, None, None);
        assert!(half.details.contains("The disk may be erased") && !half.details.contains("Nothing was written"));
    }

    #[test]
    fn the_command_is_seen_without_scrolling_whatever_the_cause() {
        let sentence = "This sentence names one of many causes, and each is long. ";
        for (why, remedy) in [(0, 0), (1, 1), (9, 1), (1, 9), (9, 9), (9, 0)] {
            let problem =
                || Diagnostic::example("It broke", sentence.repeat(why).trim(), sentence.repeat(remedy).trim());
            for count in [1, 12] {
                let problems: Vec<Diagnostic> = (0..count).map(|_| problem()).collect();
                let details = dialog((&PHASE, Written::Target), &problems, Some(by_hand()), None).details;
                let (seen, _) = details.split_once("'passwd alice'").unwrap();
                assert!(height(seen) <= LINES, "{why} {remedy}\n{details}");
                assert!(
                    seen.contains(&format!("\nsudo nix-cfg-install --target {TARGET}\n")),
                    "{details}"
                );
                // What was cut is below.
                for whole in [sentence.repeat(why), sentence.repeat(remedy)] {
                    assert!(details.contains(whole.trim()), "{details}");
                }
            }
        }
    }

    #[test]
    fn a_text_is_cut_between_words_and_only_where_it_is_too_long() {
        assert_eq!(cut("a b", 1), "a b");
        let line = "x".repeat(COLUMNS);
        assert_eq!(cut(&line, 1), line);
        assert_eq!(cut(&format!("one {line}"), 1), "one …");
        assert_eq!(cut("a\nb\nc", 2), "a\nb …");
        assert_eq!(height("a\n\nb"), 3);
    }
}
