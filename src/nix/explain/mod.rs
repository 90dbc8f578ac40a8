//! Nix's errors in plain words. Each rule knows one failure by the words that Nix 2.8, 2.26 and 2.34 or nixpkgs 24.05
//! and 26.11 use for it; the raw text always stays below the explanation.

mod configuration;
mod missing;
mod package;

use std::path::Path;

use regex_lite::Regex;

use super::activity::LAST_LINES;
use crate::diagnostic::Diagnostic;
pub(super) use configuration::no_hosts;
pub use missing::damaged;
pub use package::refused;

/// What a rule looks at.
struct Said<'a> {
    /// Without colours; paths in the tree are relative.
    text: &'a str,
    /// The tree that was evaluated.
    root: Option<&'a Path>,
}

impl<'a> Said<'a> {
    /// The groups of the first match of `pattern`; a group that took no part is empty.
    fn find<const N: usize>(&self, pattern: &str) -> Option<[&'a str; N]> {
        // A pattern that does not compile is found by the test of all rules.
        let captures = Regex::new(pattern).ok()?.captures(self.text)?;
        let mut groups = [""; N];
        for (index, group) in groups.iter_mut().enumerate() {
            *group = captures.get(index + 1).map_or("", |found| found.as_str().trim());
        }
        Some(groups)
    }

    /// The last line of a builder's log: as Nix shows it, or as it was collected (`Tracker::said`).
    fn last_word_of_builder(&self) -> Option<&'a str> {
        let quoted = self
            .text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("> "));
        let collected = self.text.split_once(LAST_LINES).map_or("", |(_, lines)| lines);
        quoted
            .chain(collected.lines())
            .map(str::trim)
            .rfind(|line| !line.is_empty())
    }

    /// Where in the user's tree it happened: the first position that is not in nixpkgs.
    fn place(&self) -> Option<(&'a str, Option<u32>, Option<u32>)> {
        let position = Regex::new(r"at ([^\s:]+\.nix):(\d+):(\d+)").ok()?;
        let found = position
            .captures_iter(self.text)
            .find(|found| !found[1].starts_with('/'))?;
        let number = |index: usize| found.get(index).and_then(|group| group.as_str().parse().ok());
        Some((found.get(1)?.as_str(), number(2), number(3)))
    }

    fn at_place(&self, problem: Diagnostic) -> Diagnostic {
        match self.place() {
            Some((file, line, column)) => problem.at(file, line, column),
            None => problem,
        }
    }

    /// As [`Said::at_place`]; where Nix tells no place, the one where the user's files name what it is about.
    fn at_place_or(&self, problem: Diagnostic, mention: impl Fn(Diagnostic, &Path) -> Diagnostic) -> Diagnostic {
        let problem = self.at_place(problem);
        match self.root {
            Some(root) if problem.place.is_none() => mention(problem, root),
            _ => problem,
        }
    }
}

/// Whose words a rule knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Those of Nix and the kernel.
    Nix,
    /// Those of nixpkgs.
    Nixpkgs,
}

/// One failure, known by its words.
pub struct Rule {
    /// What it is called: mostly the code of its problem.
    pub name: &'static str,
    /// Whose words it knows.
    pub words: Words,
    explain: fn(&Said<'_>) -> Option<Diagnostic>,
}

const fn nix(name: &'static str, explain: fn(&Said<'_>) -> Option<Diagnostic>) -> Rule {
    let words = Words::Nix;
    Rule { name, words, explain }
}

const fn nixpkgs(name: &'static str, explain: fn(&Said<'_>) -> Option<Diagnostic>) -> Rule {
    let words = Words::Nixpkgs;
    Rule { name, words, explain }
}

/// In this order: the first that knows the text explains it.
pub const RULES: [Rule; 28] = [
    nix("disk-full", missing::disk_full),
    nix("read-only", missing::read_only),
    nix("medium-unreadable", missing::unreadable),
    nix("input-damaged", missing::input_damaged),
    nix("flake-lock-incomplete", missing::lock_changed),
    nix("flake-lock-too-new", missing::lock_feature),
    nix("flake-input-missing", missing::input_missing),
    nix("not-on-medium", missing::download),
    nixpkgs("nix-too-old", package::nix_too_old),
    nixpkgs("unfree", package::unfree),
    nixpkgs("insecure", package::insecure),
    nixpkgs("broken", package::marked_broken),
    nixpkgs("package-platform", package::platform),
    nixpkgs("package-refused", package::other),
    nixpkgs("assertion", configuration::assertion),
    nixpkgs("option-missing", configuration::option_missing),
    nixpkgs("option-conflict", configuration::option_conflict),
    nixpkgs("option-type", configuration::option_type),
    nixpkgs("option-unset", configuration::option_unset),
    nix("syntax", configuration::syntax),
    nix("defined-twice", configuration::defined_twice),
    nix("undefined-variable", configuration::undefined),
    nix("attribute-missing", configuration::attribute_missing),
    nix("file-missing", configuration::file_missing),
    nix("recursion", configuration::recursion),
    nix("nixpkgs-missing", missing::channel_missing),
    nix("builder-failed", missing::builder_failed),
    nix("tree-special-file", configuration::special_file),
];

/// The code of a `<name>` that is looked up and not there.
pub const LOOKUP: &str = "lookup-path";

/// The code of a problem that no rule knows.
pub const UNKNOWN: &str = "unknown";

/// Explains `raw`, what a Nix program said when it failed. `root` is the tree that was evaluated; its path is taken out
/// of the text, so that places are told as the user knows them.
#[must_use]
pub fn explain(raw: &str, root: Option<&Path>) -> Diagnostic {
    recognize(raw, root).1
}

/// As [`explain`], with the name of the rule that knew the text.
#[must_use]
pub fn recognize(raw: &str, root: Option<&Path>) -> (Option<&'static str>, Diagnostic) {
    let text = relative(raw, root);
    let said = Said { text: &text, root };
    let known = RULES
        .iter()
        .find_map(|rule| Some((Some(rule.name), (rule.explain)(&said)?)));
    let (name, problem) = known.unwrap_or_else(|| {
        // The way to an error stands before it, under `error:` lines of its own without a word.
        let last = last_error(&text).trim_start();
        let what = last.strip_prefix("error:").and_then(|rest| rest.trim().lines().next());
        let problem = Diagnostic::error(UNKNOWN, what.unwrap_or("A program failed"));
        (
            None,
            said.at_place(problem).remedy("The log has everything that led to it."),
        )
    });
    (
        name,
        problem.raw(if root.is_some() { last_error(&text) } else { &text }),
    )
}

/// Nix tells the way to an error before the error itself, which can be hundreds of lines of nixpkgs: the log has them.
fn last_error(text: &str) -> &str {
    let starts = text.match_indices("error:").map(|(at, _)| at);
    let own_line = |at: &usize| {
        text[..*at]
            .rsplit('\n')
            .next()
            .is_some_and(|before| before.trim().is_empty())
    };
    starts.filter(own_line).last().map_or(text, |at| &text[at..])
}

/// The text with the tree's own paths made relative: `root` itself, and its copy in the store.
fn relative(raw: &str, root: Option<&Path>) -> String {
    let mut text = console::strip_ansi_codes(raw).into_owned();
    let Some(root) = root else { return text };
    text = text.replace(&format!("{}/", root.display()), "");
    // A flake is read from its copy in the store, whose hash is only known to Nix. Inputs have the same name, so only
    // files that exist in the tree are taken for its own.
    if let Ok(copies) = Regex::new(r"/nix/store/[0-9a-z]{32}-source/([^\s:'`’]+)") {
        text = copies
            .replace_all(&text, |found: &regex_lite::Captures<'_>| {
                let inside = &found[1];
                if root.join(inside).exists() {
                    inside.to_owned()
                } else {
                    found[0].to_owned()
                }
            })
            .into_owned();
    }
    text
}
