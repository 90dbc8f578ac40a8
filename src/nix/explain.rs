//! Nix's errors in plain words. Each rule knows one failure by the words that Nix 2.8, 2.26 and 2.34 or nixpkgs 24.05
//! use for it; the raw text always stays below the explanation.

use std::path::Path;

use regex_lite::Regex;

use super::activity::LAST_LINES;
use super::activity::store_name;
use crate::report::Problem;
use crate::tree::hardware::FILE_NAME;
use crate::tree::lint;

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

    fn at_place(&self, problem: Problem) -> Problem {
        match self.place() {
            Some((file, line, column)) => problem.at(file, line, column),
            None => problem,
        }
    }

    /// As [`Said::at_place`]; where Nix tells no place, the one where the user's files name what it is about.
    fn at_place_or(&self, problem: Problem, mention: impl Fn(Problem, &Path) -> Problem) -> Problem {
        let problem = self.at_place(problem);
        match self.root {
            Some(root) if problem.place.is_none() => mention(problem, root),
            _ => problem,
        }
    }
}

type Rule = fn(&Said<'_>) -> Option<Problem>;

/// In this order: the first that knows the text explains it.
const RULES: [Rule; 21] = [
    disk_full,
    read_only,
    lock_changed,
    lock_feature,
    input_missing,
    download,
    unfree,
    assertion,
    option_missing,
    option_conflict,
    option_type,
    option_unset,
    syntax,
    defined_twice,
    undefined,
    attribute_missing,
    file_missing,
    recursion,
    channel_missing,
    builder_failed,
    special_file,
];

/// The code of a problem that no rule knows.
pub const UNKNOWN: &str = "unknown";

/// Explains `raw`, what a Nix program said when it failed. `root` is the tree that was evaluated; its path is taken out
/// of the text, so that places are told as the user knows them.
#[must_use]
pub fn explain(raw: &str, root: Option<&Path>) -> Problem {
    let text = relative(raw, root);
    let said = Said { text: &text, root };
    let known = RULES.iter().find_map(|rule| rule(&said));
    let problem = known.unwrap_or_else(|| {
        // The way to an error stands before it, under `error:` lines of its own without a word.
        let last = last_error(&text).trim_start();
        let what = last.strip_prefix("error:").and_then(|rest| rest.trim().lines().next());
        said.at_place(Problem::error(UNKNOWN, what.unwrap_or("A program failed")))
            .remedy("The log has everything that led to it.")
    });
    problem.raw(if root.is_some() { last_error(&text) } else { &text })
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

fn disk_full(said: &Said<'_>) -> Option<Problem> {
    said.find::<0>(r"No space left on device|database or disk is full")?;
    Some(
        Problem::error("disk-full", "There is no space left")
            .because("Either the target is too small for this system, or the live system's memory, where it is built, is full.")
            .remedy("`df -h` says which. Use a larger disk or more memory (or swap), then run the same command again: it goes on from here."),
    )
}

fn read_only(said: &Said<'_>) -> Option<Problem> {
    let [path] = said.find(r"['‘]?(/[^'’\s:]*)?['’]?:? ?Read-only file system")?;
    Some(
        Problem::error(
            "read-only",
            format!("The file system cannot be written {path}").trim_end(),
        )
        .because("It is mounted read-only; a damaged file system is remounted so by the kernel.")
        .remedy("`dmesg` says whether the disk failed. Otherwise: mount -o remount,rw TARGET"),
    )
}

fn lock_changed(said: &Said<'_>) -> Option<Problem> {
    said.find::<0>(
        r"requires lock file changes|lock ?file contains (unlocked|mutable)|cannot write modified lock file",
    )?;
    Some(
        Problem::error(
            "flake-lock-incomplete",
            "flake.lock does not lock all inputs of the flake",
        )
        .at("flake.lock", None, None)
        .because("Without a network Nix can only use inputs that the lock names exactly.")
        .remedy("On a machine with a network run `nix flake lock` in the configuration, and make the ISO again."),
    )
}

fn lock_feature(said: &Said<'_>) -> Option<Problem> {
    let [what] = said.find(r"error: (unsupported \w+ input attribute[^\n]*|cannot fetch input '[^']*' because it uses a relative path|input '[^']*' has an unsupported attribute[^\n]*|lock file '[^']*' has unsupported version[^\n]*)")?;
    Some(
        Problem::error("flake-lock-too-new", "This version of Nix cannot read flake.lock")
            .at("flake.lock", None, None)
            .because(what)
            .remedy("Make the ISO with the version of Nix that wrote the lock."),
    )
}

fn input_missing(said: &Said<'_>) -> Option<Problem> {
    let network = r"unable to download|[Cc]ould(?:n't| not) resolve host|Failed to open archive|Failed to fetch git|unable to fork";
    said.find::<0>(network)?;
    let [input, other] = said.find(
        r"(?:while fetching the input '([^']+)'|while (?:updating|fetching) the (?:lock file|flake input) '?([^'\n]*)|in flake\.lock)",
    )
    .or_else(|| said.find(r"unable to download '(https://(?:api\.)?github\.com/[^']+|[^']+/archive/[^']+|[^']+/tarball/[^']+)'()"))?;
    let input = if input.is_empty() { other } else { input };
    let problem = if input.is_empty() {
        Problem::error("flake-input-missing", "A flake input is not on this medium")
    } else {
        Problem::error(
            "flake-input-missing",
            format!("The flake input {input} is not on this medium"),
        )
    };
    Some(
        problem
            .because("Its source would have to be downloaded, and the installation is offline. It is missing from flake.lock, or from the ISO.")
            .remedy("Run `nix flake lock` in the configuration and make the ISO from it again; or install with --online."),
    )
}

fn download(said: &Said<'_>) -> Option<Problem> {
    let [url] = said
        .find(r"unable to download '([^']+)'")
        .or_else(|| said.find(r"cannot download [^\n]*? from any mirror()"))
        .or_else(|| said.find(r"[Cc]ould(?:n't| not) resolve host:? ?'?([^\s')]*)"))?;
    let derivation = failed_derivation(said);
    let name = derivation.map(store_name);
    let what = match &name {
        Some(name) => format!("{name} is not on this medium"),
        None => "Something that the system needs is not on this medium".to_owned(),
    };
    let wanted = wanted_by(said);
    Some(
        Problem::error("not-on-medium", what)
            .because(format!("It would have to be downloaded from {url}, and the installation is offline.{wanted}"))
            .remedy("Remove the package that needs it from the configuration, or make the ISO from this configuration. With a network: --online."),
    )
}

/// The derivation that failed first: the root cause stands first in all versions.
fn failed_derivation<'a>(said: &Said<'a>) -> Option<&'a str> {
    let [path] = said
        .find(r"builder for '([^']+\.drv)' failed")
        .or_else(|| said.find(r"Cannot build '([^']+\.drv)'"))?;
    Some(path)
}

/// Which derivations could not be built because of the first, as Nix tells it.
fn wanted_by(said: &Said<'_>) -> String {
    let Ok(dependants) =
        Regex::new(r"dependenc(?:y|ies)[^\n]* of derivation '([^']+)' failed|error: Cannot build '([^']+)'")
    else {
        return String::new();
    };
    let root_cause = failed_derivation(said);
    let mut names: Vec<String> = dependants
        .captures_iter(said.text)
        .filter_map(|found| Some(found.get(1).or_else(|| found.get(2))?.as_str()))
        .filter(|path| Some(*path) != root_cause)
        .map(store_name)
        .collect();
    names.dedup();
    if names.is_empty() {
        String::new()
    } else {
        format!(" It is needed for: {}.", names.join(" → "))
    }
}

fn unfree(said: &Said<'_>) -> Option<Problem> {
    let [name] = said.find(r"Package [‘']([^’']+)[’'][^\n]* has an unfree license")?;
    let problem = Problem::error(
        "unfree",
        format!("The package {name} is not free software, and the configuration does not allow it"),
    );
    Some(
        said.at_place_or(problem, |problem, root| lint::at_package(problem, root, name))
            .because("nixpkgs refuses packages with an unfree licence unless told otherwise.")
            .remedy("Set `nixpkgs.config.allowUnfree = true;` in the configuration, or remove the package."),
    )
}

fn assertion(said: &Said<'_>) -> Option<Problem> {
    let [text] = said.find(r"(?s)Failed assertions:\n(.*?)(?:\n\s*\n|$)")?;
    Some(
        Problem::error("assertion", "The configuration contradicts itself")
            .because(text.trim())
            .remedy("Each line above is a rule of a NixOS module that the configuration breaks; change the options it names."),
    )
}

/// Nix lists the definitions with their files: the user's own first, then the one that a program wrote.
fn definitions(said: &Said<'_>, problem: Problem) -> Problem {
    let Ok(listed) = Regex::new(r"- In [`‘']([^'’]+)['’]") else {
        return problem;
    };
    let files: Vec<&str> = listed
        .captures_iter(said.text)
        .filter_map(|found| Some(found.get(1)?.as_str()))
        .filter(|file| !file.starts_with('/') && *file != "<unknown-file>")
        .collect();
    match files.iter().find(|file| !file.ends_with(FILE_NAME)).or(files.first()) {
        Some(file) => problem.at(*file, None, None),
        None => said.at_place(problem),
    }
}

fn option_missing(said: &Said<'_>) -> Option<Problem> {
    let [option] = said.find(r"The option [`‘']([^'’]+)['’](?: [^\n]*)? does not exist")?;
    Some(
        definitions(
            said,
            Problem::error("option-missing", format!("There is no option `{option}`")),
        )
        .because("It is misspelt, or it belongs to another release of NixOS or to a module that is not imported.")
        .remedy("Correct or remove it."),
    )
}

fn option_conflict(said: &Said<'_>) -> Option<Problem> {
    let [option] = said.find(r"The option [`‘']([^'’]+)['’] has conflicting definition")?;
    let [values] = said
        .find(r"(?s)conflicting definition[^\n]*\n(.*?)(?:\n\s*(?:Use|\n)|$)")
        .unwrap_or_default();
    let by_hardware = said.text.contains(FILE_NAME);
    if by_hardware && (option.starts_with("fileSystems") || option.starts_with("swapDevices")) {
        return Some(twice_by_hardware(said, option, values));
    }
    Some(
        definitions(
            said,
            Problem::error(
                "option-conflict",
                format!("The option `{option}` is set to two different values"),
            ),
        )
        .because(values)
        .remedy("Remove one of the definitions, or give one of them precedence with `lib.mkForce VALUE`."),
    )
}

/// nixos-generate-config writes down what is mounted, and the configuration says it too: by hand, or by disko.
fn twice_by_hardware(said: &Said<'_>, option: &str, values: &str) -> Problem {
    let problem = Problem::error(
        "file-system-conflict",
        format!("`{option}` is set by the configuration and by this machine's hardware-configuration.nix"),
    );
    definitions(said, problem)
        .because(values)
        .remedy("Remove it from the configuration: the installer writes down what is mounted. With disko, or to keep the configuration's: give it precedence with `lib.mkForce VALUE`.")
}

fn option_type(said: &Said<'_>) -> Option<Problem> {
    let [option, wanted] =
        said.find(r"[Aa] definition for option [`‘']([^'’]+)['’] is not of type [`‘']([^\n]+?)['’]\.")?;
    Some(
        definitions(
            said,
            Problem::error(
                "option-type",
                format!("The option `{option}` takes another kind of value: {wanted}"),
            ),
        )
        .remedy("Correct the value."),
    )
}

fn option_unset(said: &Said<'_>) -> Option<Problem> {
    let [option] =
        said.find(r"The option [`‘']([^'’]+)['’] (?:is used but not defined|was accessed but has no value defined)")?;
    let hint = if option.starts_with("fileSystems") || option == "nixpkgs.hostPlatform" || option == "nixpkgs.system" {
        "This is usually set in hardware-configuration.nix: make sure that the configuration imports it."
    } else {
        "Set it in the configuration."
    };
    Some(Problem::error("option-unset", format!("The option `{option}` has no value")).remedy(hint))
}

fn syntax(said: &Said<'_>) -> Option<Problem> {
    let [text] = said.find(r"syntax error, ([^\n]+)")?;
    Some(
        said.at_place(Problem::error("syntax", "A file of the configuration is not valid Nix"))
            .because(text)
            .remedy("Correct it at the place above, or just before it."),
    )
}

fn defined_twice(said: &Said<'_>) -> Option<Problem> {
    let [name, first] = said.find(r"attribute '([^']+)' already defined at ([^\s]+)")?;
    // The second place follows in words of its own, or (2.8) with the lines of the file.
    let [file, line, column] = said
        .find(r"already defined at [^\n]*\n(?s:.*?)at ([^\s:]+\.nix):(\d+):(\d+)")
        .unwrap_or_default();
    let problem = Problem::error("defined-twice", format!("`{name}` is there twice in one set"));
    let problem = if file.is_empty() {
        said.at_place(problem)
    } else {
        problem.at(file, line.parse().ok(), column.parse().ok())
    };
    Some(
        problem
            .because(format!("The first is at {}.", first.trim_end_matches(':')))
            .remedy("Make one of the two."),
    )
}

fn undefined(said: &Said<'_>) -> Option<Problem> {
    let [name] = said.find(r"undefined variable '([^']+)'")?;
    Some(
        said.at_place(Problem::error(
            "undefined-variable",
            format!("The name `{name}` is not defined"),
        ))
        .because("It is misspelt, or there is no package or argument of that name in this nixpkgs.")
        .remedy("Correct or remove it."),
    )
}

fn attribute_missing(said: &Said<'_>) -> Option<Problem> {
    let [name] = said
        .find(r"attribute '([^']+)' missing")
        .or_else(|| said.find(r"does not provide attribute [^\n]*?'([^']+)'"))?;
    if name.ends_with("nixosConfigurations") {
        return Some(no_hosts());
    }
    let [similar] = said.find(r"Did you mean ([^\n]+)\?").unwrap_or_default();
    let remedy = if similar.is_empty() {
        "Correct or remove it. For a package: look it up in the nixpkgs release that the ISO is made from.".to_owned()
    } else {
        format!("Nix knows something similar: {similar}.")
    };
    Some(
        said.at_place(Problem::error("attribute-missing", format!("There is no `{name}`")))
            .because("A package or option of that name does not exist in this nixpkgs.")
            .remedy(remedy),
    )
}

/// A flake without hosts, by an error or by their list.
pub(super) fn no_hosts() -> Problem {
    Problem::error("host-none", "The flake has no nixosConfigurations")
        .because("Without one there is no system to install.")
        .remedy("Add `nixosConfigurations.NAME = nixpkgs.lib.nixosSystem { … };` to its outputs.")
}

fn file_missing(said: &Said<'_>) -> Option<Problem> {
    let [path] = said
        .find(r"path '([^']+)' does not exist")
        .or_else(|| said.find(r"getting status of '([^']+)': No such file"))
        .or_else(|| said.find(r"opening file '([^']+)': No such file"))?;
    let problem = Problem::error(
        "file-missing",
        format!("The configuration uses the file {path}, which does not exist"),
    );
    Some(
        said.at_place_or(problem, |problem, root| lint::at_path(problem, root, Path::new(path)))
            .because("It was not copied with the configuration, or it is only on the machine where it was written.")
            .remedy("Add the file to the configuration, or remove what uses it."),
    )
}

fn recursion(said: &Said<'_>) -> Option<Problem> {
    said.find::<0>(r"infinite recursion encountered")?;
    Some(
        said.at_place(Problem::error(
            "recursion",
            "The configuration needs its own result to compute it",
        ))
        .because("A value depends on itself; often `imports` or `mkIf` use `config` or `pkgs` where they cannot.")
        .remedy("Look at the place above; with -v the log shows Nix's trace."),
    )
}

fn channel_missing(said: &Said<'_>) -> Option<Problem> {
    said.find::<0>(r"file 'nixpkgs[^']*' was not found in the Nix search path")?;
    Some(
        Problem::error("nixpkgs-missing", "There is no nixpkgs on this medium")
            .because("A channel configuration is evaluated with the live system's `nixos` channel, and there is none.")
            .remedy("Name a nixpkgs with `nixpkgs: PATH` in the settings, or make the ISO again."),
    )
}

fn builder_failed(said: &Said<'_>) -> Option<Problem> {
    let path = failed_derivation(said)?;
    Some(
        Problem::error("builder-failed", format!("Building {} failed", store_name(path)))
            .because(format!(
                "Its builder stopped with an error; its last lines are below.{}{}",
                said.last_word_of_builder()
                    .map_or_else(String::new, |word| format!(" The last one: {word}.")),
                wanted_by(said)
            ))
            .remedy("Mend or remove it in the configuration. The log has the builder's output."),
    )
}

fn special_file(said: &Said<'_>) -> Option<Problem> {
    let [path] = said.find(r"file '([^']+)' has an unsupported type")?;
    Some(
        Problem::error(
            "tree-special-file",
            format!("{path} is neither a file nor a folder nor a link"),
        )
        .remedy("Remove it from the configuration."),
    )
}
