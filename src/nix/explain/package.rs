//! The packages that nixpkgs refuses to evaluate (pkgs/stdenv/generic/check-meta.nix), and a Nix that it refuses.

use std::path::Path;

use regex_lite::Regex;

use super::said::{Said, some};
use crate::diagnostic::{Diagnostic, PackageProblem, ProgramProblem};
use crate::nix::facts::Refusal;
use crate::tree::locate::{self, package_name};

/// Why a package is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Unfree,
    Insecure,
    /// Until 25.11.
    Broken,
    /// Since 26.05: a list of problems, of which `broken` is one.
    Listed,
    Platform,
    Other,
}

/// The first words of each reason, the same in nixpkgs 24.05 and 26.11.
const REASONS: [(&str, Reason); 9] = [
    ("has an unfree license", Reason::Unfree),
    ("is marked as insecure", Reason::Insecure),
    ("is marked as broken", Reason::Broken),
    ("has problems:", Reason::Listed),
    ("is not available on the requested hostPlatform", Reason::Platform),
    ("has a blocklisted license", Reason::Other),
    ("contains elements not built from source", Reason::Other),
    ("has an invalid meta attrset", Reason::Other),
    ("has invalid meta.outputsToInstall", Reason::Other),
];

/// A package that was refused.
struct Refused<'a> {
    /// Its name with the version.
    package: &'a str,
    reason: Reason,
    /// The words of nixpkgs from the reason on.
    words: &'a str,
}

/// The first refusal in `text`: `Package ‘NAME’ in PLACE REASON, refusing to evaluate` (24.05) or `Refusing to evaluate
/// package 'NAME' in PLACE because it REASON` (26.11).
fn read(text: &str) -> Option<Refused<'_>> {
    let reasons = REASONS.map(|(words, _)| words).join("|");
    let pattern =
        format!(r"(?:Package [‘']([^’'\n]+)[’'] in |Refusing to evaluate package '([^'\n]+)' in )[^\n]*?({reasons})");
    // A pattern that does not compile is found by the test of all rules.
    let found = Regex::new(&pattern).ok()?.captures(text)?;
    let words = &text[found.get(3)?.start()..];
    Some(Refused {
        package: found.get(1).or_else(|| found.get(2))?.as_str(),
        reason: REASONS.iter().find(|(first, _)| words.starts_with(first))?.1,
        words,
    })
}

/// The problem of a package that nixpkgs refused while the rest was evaluated. `root`: the tree.
#[must_use]
pub fn refused(refusal: &Refusal, root: &Path) -> Diagnostic {
    if let Some(refused) = read(&refusal.message) {
        return locate::at_package(problem(&refused).into(), root, refused.package);
    }
    if refusal.package.is_empty() {
        let message = refusal.message.trim().to_owned();
        return PackageProblem::Unnamed { message }.into();
    }
    locate::at_package(broken(&refusal.package, true).into(), root, &refusal.package)
}

fn rule(said: &Said<'_>, reasons: &[Reason]) -> Option<Diagnostic> {
    let refused = read(said.text).filter(|refused| reasons.contains(&refused.reason))?;
    // Where the files name the package, which is not always where Nix stopped.
    let problem = Diagnostic::from(problem(&refused));
    let named = match said.context.root {
        Some(root) => locate::at_package(problem, root, refused.package),
        None => problem,
    };
    Some(if named.place.is_some() {
        named
    } else {
        said.at_place(named)
    })
}

pub(super) fn unfree(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Unfree])
}

pub(super) fn insecure(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Insecure])
}

pub(super) fn marked_broken(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Broken, Reason::Listed])
}

pub(super) fn platform(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Platform])
}

pub(super) fn other(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Other])
}

fn problem(refused: &Refused<'_>) -> PackageProblem {
    let package = refused.package.to_owned();
    match refused.reason {
        Reason::Unfree => PackageProblem::Unfree { package },
        Reason::Insecure => PackageProblem::Insecure {
            package,
            issues: issues(refused.words),
        },
        Reason::Broken => broken(refused.package, false),
        Reason::Listed => listed(refused),
        Reason::Platform => PackageProblem::Platform {
            package,
            platform: platform_of(refused.words),
        },
        Reason::Other => PackageProblem::Other {
            package,
            reason: first_paragraph(refused.words).to_owned(),
        },
    }
}

/// The list of problems that nixpkgs has had since 26.05: `- NAME: MESSAGE`, or `- NAME (kind "KIND"): MESSAGE`.
fn listed(refused: &Refused<'_>) -> PackageProblem {
    let lines = refused.words.lines().skip(1).take_while(|line| !line.trim().is_empty());
    let problems: Vec<String> = lines
        .map(|line| line.trim().trim_start_matches("- ").to_owned())
        .collect();
    if problems.iter().any(|line| line.starts_with("broken:")) {
        return broken(refused.package, true);
    }
    let name = package_name(refused.package);
    let names = problems.iter().filter_map(|line| line.split([':', ' ']).next());
    let handlers = names.map(|problem| format!("nixpkgs.config.problems.handlers.{name}.{problem}"));
    PackageProblem::Listed {
        package: refused.package.to_owned(),
        handlers: handlers.collect(),
        problems,
    }
}

/// `handlers`: whether this nixpkgs has `config.problems.handlers`.
fn broken(package: &str, handlers: bool) -> PackageProblem {
    PackageProblem::Broken {
        package: package.to_owned(),
        handler: handlers.then(|| package_name(package).to_owned()),
    }
}

/// The list after `Known issues:`.
fn issues(words: &str) -> Vec<String> {
    let (_, list) = words.split_once("Known issues:\n").unwrap_or_default();
    let lines = list.lines().map_while(|line| line.trim().strip_prefix("- "));
    lines.map(str::to_owned).collect()
}

/// The platform that was asked for: `hostPlatform.config = "…"` (24.05) or `hostPlatform.system = "…"` (26.11).
fn platform_of(words: &str) -> Option<String> {
    let line = words
        .lines()
        .find(|line| line.trim_start().starts_with("hostPlatform."))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// The reason itself: up to `, refusing to evaluate` (24.05), or the empty line before the remedies.
fn first_paragraph(words: &str) -> &str {
    let end = words.find(", refusing to evaluate").or_else(|| words.find("\n\n"));
    words[..end.unwrap_or(words.len())].trim_end_matches(['.', '\n'])
}

/// nixpkgs refuses a Nix that lacks what it needs: `lib/minver.nix` (24.05: 2.3), `lib/minfeatures.nix` (26.11: 2.18).
pub(super) fn nix_too_old(said: &Said<'_>) -> Option<Diagnostic> {
    let [needs] = said.find(r"This version of Nixpkgs requires ([^\n]+)")?;
    let version = said
        .find(r"reports at least ([0-9.]+)")
        .or_else(|| said.find(r"requires Nix >= ([0-9.]+)"));
    let [here] = said.find(r"You are evaluating with Nix ([^\s,]+)").unwrap_or_default();
    let problem = ProgramProblem::NixTooOld {
        needs: needs.trim_end_matches([',', ':']).to_owned(),
        version: version.map(|[version]| version.to_owned()),
        here: some(here),
    };
    Some(problem.into())
}
