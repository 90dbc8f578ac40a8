//! Explains the errors of Nix. Each rule knows one failure by the words that Nix 2.8, 2.26 and 2.34 or nixpkgs 24.05 and
//! 26.11 use for it. Only this module reads those words; everything else decides by the type of the problem.

mod configuration;
mod missing;
mod package;

use std::path::Path;

use regex_lite::{Captures, Regex};

use super::activity::LAST_LINES;
use crate::diagnostic::{Diagnostic, ProgramProblem};
pub use package::refused;

/// What helps to explain an error besides its words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The tree that was evaluated. Places in it are given relative to it.
    pub root: Option<&'a Path>,
    /// The names of the channels that Nix could look up.
    pub channels: &'a [String],
}

/// The words of a program that failed, as the rules get them.
struct Said<'a> {
    /// Without colours; paths in the tree are relative.
    text: &'a str,
    context: Context<'a>,
}

impl<'a> Said<'a> {
    /// The groups of the first match of `pattern`; a group that took no part is empty.
    fn find<const N: usize>(&self, pattern: &str) -> Option<[&'a str; N]> {
        // The test of all rules finds a pattern that does not compile.
        let captures = Regex::new(pattern).ok()?.captures(self.text)?;
        let group = |index: usize| captures.get(index + 1).map_or("", |found| found.as_str().trim());
        Some(std::array::from_fn(group))
    }

    /// The first group of each match of `pattern`.
    fn find_all(&self, pattern: &str) -> Vec<String> {
        let pattern = Regex::new(pattern).ok();
        let found = pattern.iter().flat_map(|pattern| pattern.captures_iter(self.text));
        found.map(|found| found[1].to_owned()).collect()
    }

    /// The last line of a builder's log: as Nix shows it, or as [`super::activity::Tracker::said`] adds it.
    fn last_line_of_builder(&self) -> Option<&'a str> {
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

    /// The first position in the user's tree: file, line, column.
    fn place(&self) -> Option<(&'a str, Option<u32>, Option<u32>)> {
        let position = Regex::new(r"at ([^\s:]+\.nix):(\d+):(\d+)").ok()?;
        let found = position
            .captures_iter(self.text)
            .find(|found| !found[1].starts_with('/'))?;
        Some((found.get(1)?.as_str(), found[2].parse().ok(), found[3].parse().ok()))
    }

    fn at_place(&self, problem: impl Into<Diagnostic>) -> Diagnostic {
        let problem = problem.into();
        match self.place() {
            Some((file, line, column)) => problem.at(file, line, column),
            None => problem,
        }
    }

    /// As [`Said::at_place`]. Where Nix names no position, `mention` looks for one in the tree.
    fn at_place_or(
        &self,
        problem: impl Into<Diagnostic>,
        mention: impl Fn(Diagnostic, &Path) -> Diagnostic,
    ) -> Diagnostic {
        let problem = self.at_place(problem);
        match self.context.root {
            Some(root) if problem.place.is_none() => mention(problem, root),
            _ => problem,
        }
    }
}

/// A group that took part in a match.
fn some(group: &str) -> Option<String> {
    (!group.is_empty()).then(|| group.to_owned())
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
    /// Mostly the code of its problem.
    pub name: &'static str,
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

/// The first rule that knows the text explains it.
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
    nix("lookup-failed", missing::lookup_failed),
    nix("builder-failed", missing::builder_failed),
    nix("tree-special-file", configuration::special_file),
];

/// The code of [`crate::diagnostic::SupplyProblem::ChannelMissing`].
pub const LOOKUP: &str = "lookup-path";

/// The code of [`ProgramProblem::Unknown`].
pub const UNKNOWN: &str = "unknown";

/// Explains `raw`, the output of a Nix program that failed. `root`: see [`Context::root`].
#[must_use]
pub fn explain(raw: &str, root: Option<&Path>) -> Diagnostic {
    let channels = &[];
    recognize(raw, Context { root, channels }).1
}

/// As [`explain`], with the name of the rule that knew the text.
#[must_use]
pub fn recognize(raw: &str, context: Context<'_>) -> (Option<&'static str>, Diagnostic) {
    let text = relative(raw, context.root);
    let said = Said { text: &text, context };
    let known = RULES
        .iter()
        .find_map(|rule| Some((Some(rule.name), (rule.explain)(&said)?)));
    let (name, problem) = known.unwrap_or_else(|| {
        // `error:` lines without a message lead to the error itself.
        let last = last_error(&text).trim_start();
        let message = last.strip_prefix("error:").and_then(|rest| rest.trim().lines().next());
        let error = message.unwrap_or("A program failed").to_owned();
        (None, said.at_place(ProgramProblem::Unknown { error }))
    });
    let raw = if context.root.is_some() {
        last_error(&text)
    } else {
        &text
    };
    (name, problem.raw(raw))
}

/// The error itself, without the trace before it: that can be hundreds of lines of nixpkgs, and the log has it.
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
    let text = console::strip_ansi_codes(raw).into_owned();
    let Some(root) = root else { return text };
    let text = text.replace(&format!("{}/", root.display()), "");
    // The hash of the tree's copy is not known, and inputs have the same name: only files that exist in the tree are its own.
    let Ok(copies) = Regex::new(r"/nix/store/[0-9a-z]{32}-source/([^\s:'`’]+)") else {
        return text;
    };
    let inside = |found: &Captures<'_>| {
        let own = root.join(&found[1]).exists();
        found[usize::from(own)].to_owned()
    };
    copies.replace_all(&text, inside).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SupplyProblem;

    #[test]
    fn a_file_that_a_channel_lacks_is_not_a_channel_that_is_missing() {
        let channels = &["nixpkgs".to_owned(), "unstable".to_owned()];
        let look_up = |path: &str, channels| {
            let raw =
                format!("error: file '{path}' was not found in the Nix search path (add it using $NIX_PATH or -I)");
            let context = Context { root: None, channels };
            recognize(&raw, context).1.problem
        };
        let in_channel = |channel: &str, file: &str| {
            let (channel, file) = (channel.to_owned(), file.to_owned());
            SupplyProblem::ChannelFileMissing { channel, file }.into()
        };
        let missing = |name: &str| SupplyProblem::ChannelMissing { name: name.to_owned() }.into();
        for (path, expected) in [
            ("nixpkgs/nixos/typo.nix", in_channel("nixpkgs", "nixos/typo.nix")),
            ("unstable/typo.nix", in_channel("unstable", "typo.nix")),
            ("absent/typo.nix", missing("absent")),
            ("absent", missing("absent")),
        ] {
            let expected: Diagnostic = expected;
            assert_eq!(look_up(path, channels), expected.problem, "{path}");
        }
        let none: Diagnostic = SupplyProblem::NixpkgsMissing.into();
        assert_eq!(look_up("nixpkgs/nixos", &[]), none.problem);
    }
}
