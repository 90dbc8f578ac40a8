//! The packages that nixpkgs refuses to evaluate (pkgs/stdenv/generic/check-meta.nix), and a Nix that it refuses.

use std::path::Path;

use regex_lite::Regex;

use super::Said;
use crate::diagnostic::Diagnostic;
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
    Diagnostics,
    Platform,
    Other,
}

/// The first words of each reason, the same in nixpkgs 24.05 and 26.11.
const REASONS: [(&str, Reason); 9] = [
    ("has an unfree license", Reason::Unfree),
    ("is marked as insecure", Reason::Insecure),
    ("is marked as broken", Reason::Broken),
    ("has problems:", Reason::Diagnostics),
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

/// The problem of a package that was refused while the rest was evaluated; `root` is the tree.
#[must_use]
pub fn refused(refusal: &Refusal, root: &Path) -> Diagnostic {
    if let Some(refused) = read(&refusal.message) {
        return locate::at_package(problem(&refused), root, refused.package);
    }
    if refusal.package.is_empty() {
        // Since 26.05 the handler of all issues is not told which package has a problem.
        return Diagnostic::error("package-refused", "nixpkgs refuses a package of the configuration")
            .because(refusal.message.trim())
            .remedy("Remove the package, or take another nixpkgs.");
    }
    locate::at_package(broken(&refusal.package, true), root, &refusal.package)
}

/// Where the files name the package, which is not always where Nix stopped.
fn at_package(said: &Said<'_>, problem: Diagnostic, package: &str) -> Diagnostic {
    let Some(root) = said.root else {
        return said.at_place(problem);
    };
    let problem = locate::at_package(problem, root, package);
    if problem.place.is_some() {
        problem
    } else {
        said.at_place(problem)
    }
}

fn rule(said: &Said<'_>, reasons: &[Reason]) -> Option<Diagnostic> {
    let refused = read(said.text).filter(|refused| reasons.contains(&refused.reason))?;
    Some(at_package(said, problem(&refused), refused.package))
}

pub(super) fn unfree(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Unfree])
}

pub(super) fn insecure(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Insecure])
}

pub(super) fn marked_broken(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Broken, Reason::Diagnostics])
}

pub(super) fn platform(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Platform])
}

pub(super) fn other(said: &Said<'_>) -> Option<Diagnostic> {
    rule(said, &[Reason::Other])
}

fn problem(refused: &Refused<'_>) -> Diagnostic {
    let package = refused.package;
    match refused.reason {
        Reason::Unfree => Diagnostic::error(
            "unfree",
            format!("The package {package} is not free software, and the configuration does not allow it"),
        )
        .because("nixpkgs refuses packages with an unfree licence unless told otherwise.")
        .remedy("Set `nixpkgs.config.allowUnfree = true;` in the configuration, or remove the package."),
        Reason::Insecure => Diagnostic::error(
            "insecure",
            format!("The package {package} has known vulnerabilities, and the configuration does not permit it"),
        )
        .because(format!("nixpkgs marks it as insecure{}", issues(refused.words)))
        .remedy(format!(
            "Remove the package, or take a nixpkgs that has a newer one. To use it all the same: \
             `nixpkgs.config.permittedInsecurePackages = [ \"{package}\" ];`"
        )),
        Reason::Broken => broken(package, false),
        Reason::Diagnostics => problems(refused),
        Reason::Platform => Diagnostic::error(
            "package-platform",
            format!("The package {package} is not available for this platform"),
        )
        .because(format!(
            "nixpkgs has it for other platforms only{}.",
            platform_of(refused.words)
        ))
        .remedy(
            "Remove the package from the configuration. To try it all the same: \
             `nixpkgs.config.allowUnsupportedSystem = true;`",
        ),
        Reason::Other => Diagnostic::error("package-refused", format!("nixpkgs refuses the package {package}"))
            .because(format!("It {}.", first_paragraph(refused.words)))
            .remedy("Remove the package, or change what `nixpkgs.config` forbids."),
    }
}

/// The list of problems that nixpkgs has had since 26.05: `- NAME: MESSAGE`, or `- NAME (kind "KIND"): MESSAGE`.
fn problems(refused: &Refused<'_>) -> Diagnostic {
    let lines = refused.words.lines().skip(1).take_while(|line| !line.trim().is_empty());
    let listed: Vec<&str> = lines.map(|line| line.trim().trim_start_matches("- ")).collect();
    if listed.iter().any(|line| line.starts_with("broken:")) {
        return broken(refused.package, true);
    }
    let handlers = listed.iter().filter_map(|line| line.split([':', ' ']).next());
    let pname = package_name(refused.package);
    let handlers: Vec<String> = handlers
        .map(|name| format!("`nixpkgs.config.problems.handlers.{pname}.{name} = \"warn\";`"))
        .collect();
    Diagnostic::error(
        "package-refused",
        format!("nixpkgs refuses the package {}", refused.package),
    )
    .because(listed.join("\n"))
    .remedy(format!(
        "Remove the package, or do as the message says. To use it all the same: {}",
        handlers.join(" ")
    ))
}

/// `handlers`: whether this nixpkgs has `config.problems.handlers`.
fn broken(package: &str, handlers: bool) -> Diagnostic {
    let allow = if handlers {
        format!(
            "nixpkgs.config.problems.handlers.{}.broken = \"warn\";",
            package_name(package)
        )
    } else {
        "nixpkgs.config.allowBroken = true;".to_owned()
    };
    Diagnostic::error("broken", format!("The package {package} is marked as broken"))
        .because("Its maintainers know that it does not build or does not work in this nixpkgs.")
        .remedy(format!(
            "Remove the package, or take a nixpkgs in which it works. To try it all the same: `{allow}`"
        ))
}

/// The list after `Known issues:`.
fn issues(words: &str) -> String {
    let Some((_, list)) = words.split_once("Known issues:\n") else {
        return ".".to_owned();
    };
    let lines = list.lines().map(str::trim).take_while(|line| line.starts_with("- "));
    let issues: Vec<&str> = lines.map(|line| &line[2..]).collect();
    format!(":\n{}", issues.join("\n"))
}

/// The platform that was asked for: `hostPlatform.config = "…"` (24.05) or `hostPlatform.system = "…"` (26.11).
fn platform_of(words: &str) -> String {
    let line = words
        .lines()
        .find(|line| line.trim_start().starts_with("hostPlatform."));
    let platform = line.and_then(|line| line.split('"').nth(1));
    platform.map_or_else(String::new, |platform| format!(", not for {platform}"))
}

/// The reason itself: up to `, refusing to evaluate` (24.05), or the empty line before the remedies.
fn first_paragraph(words: &str) -> &str {
    let end = words.find(", refusing to evaluate").or_else(|| words.find("\n\n"));
    words[..end.unwrap_or(words.len())].trim_end_matches(['.', '\n'])
}

/// nixpkgs refuses a Nix that lacks what it needs: `lib/minver.nix` (24.05: 2.3), `lib/minfeatures.nix` (26.11: 2.18).
pub(super) fn nix_too_old(said: &Said<'_>) -> Option<Diagnostic> {
    let [needs] = said.find(r"This version of Nixpkgs requires ([^\n]+)")?;
    let [version] = said
        .find(r"reports at least ([0-9.]+)")
        .or_else(|| said.find(r"requires Nix >= ([0-9.]+)"))
        .unwrap_or_default();
    let [here] = said.find(r"You are evaluating with Nix ([^\s,]+)").unwrap_or_default();
    let what = if version.is_empty() {
        format!("This nixpkgs needs a newer Nix: {}", needs.trim_end_matches([',', ':']))
    } else {
        format!("This nixpkgs needs Nix {version} or newer")
    };
    let why = if here.is_empty() {
        "The Nix here is older.".to_owned()
    } else {
        format!("The Nix here is {here}.")
    };
    Some(Diagnostic::error("nix-too-old", what).because(why).remedy(
        "Use a newer Nix here. In a live system: make the ISO again, with a nixpkgs for the live system that is as new as \
         the configuration's.",
    ))
}
