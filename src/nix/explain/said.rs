//! The words of a program that failed, and what the rules read from them.

use std::path::Path;

use regex_lite::Regex;

use crate::diagnostic::Diagnostic;
use crate::nix::activity::LAST_LINES;

/// What helps to explain an error besides its words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The tree that was evaluated. Places in it are given relative to it.
    pub root: Option<&'a Path>,
    /// The names of the channels that Nix could look up.
    pub channels: &'a [String],
}

/// The words of a program that failed, as the rules get them.
pub struct Said<'a> {
    /// Without colours; paths in the tree are relative.
    pub text: &'a str,
    pub context: Context<'a>,
}

impl<'a> Said<'a> {
    /// The groups of the first match of `pattern`; a group that took no part is empty.
    pub fn find<const N: usize>(&self, pattern: &str) -> Option<[&'a str; N]> {
        // The test of all rules finds a pattern that does not compile.
        let captures = Regex::new(pattern).ok()?.captures(self.text)?;
        let group = |index: usize| captures.get(index + 1).map_or("", |found| found.as_str().trim());
        Some(std::array::from_fn(group))
    }

    /// The first group of each match of `pattern`.
    pub fn find_all(&self, pattern: &str) -> Vec<String> {
        let pattern = Regex::new(pattern).ok();
        let found = pattern.iter().flat_map(|pattern| pattern.captures_iter(self.text));
        found.map(|found| found[1].to_owned()).collect()
    }

    /// The last line of a builder's log: as Nix shows it, or as [`crate::nix::activity::Tracker::said`] adds it.
    pub fn last_line_of_builder(&self) -> Option<&'a str> {
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
    pub fn place(&self) -> Option<(&'a str, Option<u32>, Option<u32>)> {
        let position = Regex::new(r"at ([^\s:]+\.nix):(\d+):(\d+)").ok()?;
        let found = position
            .captures_iter(self.text)
            .find(|found| !found[1].starts_with('/'))?;
        Some((found.get(1)?.as_str(), found[2].parse().ok(), found[3].parse().ok()))
    }

    pub fn at_place(&self, problem: impl Into<Diagnostic>) -> Diagnostic {
        let problem = problem.into();
        match self.place() {
            Some((file, line, column)) => problem.at(file, line, column),
            None => problem,
        }
    }

    /// As [`Said::at_place`]. Where Nix names no position, `mention` looks for one in the tree.
    pub fn at_place_or(
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
pub fn some(group: &str) -> Option<String> {
    (!group.is_empty()).then(|| group.to_owned())
}
