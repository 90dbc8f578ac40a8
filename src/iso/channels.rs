//! The channels of a channel configuration besides nixpkgs: which ones it looks up, and where each comes from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::flake_reference;
use crate::diagnostic::{ChannelNameFault, Diagnostic, IsoChannelProblem};
use crate::files::read_text;
use crate::tree::lint::{self, Lookup};
use crate::tree::source::FLAKE_NIX;
use crate::tree::syntax::{Name, NixFile, Shape};

/// Flake references, by the names of the channels.
pub type Channels = BTreeMap<String, String>;

/// Names that the ISO flake uses for something else.
const RESERVED: [&str; 2] = ["nix-cfg-install", "self"];

/// Flake references of channels that many configurations use.
const WELL_KNOWN: [(&str, &str); 9] = [
    ("agenix", "github:ryantm/agenix"),
    ("disko", "github:nix-community/disko"),
    ("impermanence", "github:nix-community/impermanence"),
    ("lanzaboote", "github:nix-community/lanzaboote"),
    ("nixos-hardware", "github:NixOS/nixos-hardware"),
    ("nixpkgs-unstable", "github:NixOS/nixpkgs/nixpkgs-unstable"),
    ("plasma-manager", "github:nix-community/plasma-manager"),
    ("sops-nix", "github:Mic92/sops-nix"),
    ("unstable", "github:NixOS/nixpkgs/nixos-unstable"),
];

/// The channels of the ISO: those that are `named`. `nixpkgs` is a flake reference; `lists` are files in which nix-channel
/// keeps what a person subscribed to. Adds to `problems` all names and references that cannot be used, and all channels that
/// the configuration in `tree` looks up and nobody named: errors, or warnings for files that may not be evaluated.
pub fn choose(
    tree: &Path,
    named: &[(String, String)],
    nixpkgs: &str,
    lists: &[PathBuf],
    problems: &mut Vec<Diagnostic>,
) -> Channels {
    let subscribed = subscriptions(lists);
    let mut channels = Channels::new();
    for (name, given) in named {
        if let Some(fault) = name_fault(name) {
            let name = name.clone();
            problems.push(IsoChannelProblem::Name { name, fault }.into());
        } else if channels.insert(name.clone(), given.clone()).is_some() {
            problems.push(IsoChannelProblem::Twice { name: name.clone() }.into());
        } else {
            problems.extend(reference_fault(name, given, &reference(name, nixpkgs, &subscribed)));
        }
    }
    for lookup in missing(tree, |name| channels.contains_key(name)) {
        let problem = IsoChannelProblem::Unnamed {
            reference: reference(&lookup.name, nixpkgs, &subscribed),
            name: lookup.name,
            look_up: lookup.text,
            imported: lookup.imported,
        };
        problems.push(Diagnostic::from(problem).at(lookup.file, Some(lookup.line), None));
    }
    channels
}

/// What is wrong with the flake reference `given` for a channel, for which another one is `suggested`.
pub fn reference_fault(name: &str, given: &str, suggested: &str) -> Option<Diagnostic> {
    let fault = flake_reference::fault(given, None)?;
    let problem = IsoChannelProblem::Reference {
        option: format!("--channel {name}"),
        reference: given.to_owned(),
        fault,
        example: if suggested == PLACEHOLDER {
            format!("github:OWNER/{name}")
        } else {
            suggested.to_owned()
        },
    };
    Some(problem.into())
}

/// The first look-up of each channel that is not `known`: one that is certain goes before one that is not.
pub fn missing(tree: &Path, known: impl Fn(&str) -> bool) -> Vec<Lookup> {
    let mut found: Vec<Lookup> = Vec::new();
    for lookup in lint::lookups(tree) {
        if known(&lookup.name) {
            continue;
        }
        match found.iter_mut().find(|earlier| earlier.name == lookup.name) {
            Some(earlier) if lookup.imported && !earlier.imported => *earlier = lookup,
            Some(_) => {}
            None => found.push(lookup),
        }
    }
    found
}

/// The names of the channels that the ISO directory `dir` has.
#[must_use]
pub fn of(dir: &Path) -> Vec<String> {
    let flake = fs::read_to_string(dir.join(FLAKE_NIX)).unwrap_or_default();
    let always = lint::ALWAYS_AVAILABLE.map(str::to_owned);
    in_flake(&flake).into_iter().chain(always).collect()
}

/// The names in `channels` of an ISO's flake.nix, which a person may have edited.
fn in_flake(text: &str) -> Vec<String> {
    let channels = NixFile::parse(text).all_bindings();
    let channels = channels.filter(|binding| binding.path.last().and_then(Name::literal) == Some("channels"));
    let names = channels.flat_map(|binding| match binding.value.shape {
        Shape::Set { bindings, .. } => bindings,
        _ => Vec::new(),
    });
    names
        .filter_map(|inner| inner.path.first()?.literal().map(str::to_owned))
        .collect()
}

/// Why a channel cannot have this name.
fn name_fault(name: &str) -> Option<ChannelNameFault> {
    let mut letters = name.chars();
    let is_name = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter));
    if ["nixpkgs", "nixos"].contains(&name) {
        Some(ChannelNameFault::Nixpkgs)
    } else if name == "nixos-config" {
        Some(ChannelNameFault::Configuration)
    } else if lint::ALWAYS_AVAILABLE.contains(&name) {
        Some(ChannelNameFault::OfNix)
    } else if RESERVED.contains(&name) {
        Some(ChannelNameFault::Reserved)
    } else {
        (!is_name).then_some(ChannelNameFault::Syntax)
    }
}

/// Bytes of the largest list of subscriptions that is read.
const LARGEST: u64 = 1_000_000;

/// What is suggested for a channel that is not known.
pub const PLACEHOLDER: &str = "FLAKEREF";

/// The flake reference to suggest for a channel.
fn reference(name: &str, nixpkgs: &str, subscribed: &Channels) -> String {
    if let Some(url) = subscribed.get(name) {
        return url.clone();
    }
    let release = nixpkgs
        .rsplit('/')
        .next()
        .and_then(|branch| branch.strip_prefix("nixos-"));
    if name == "home-manager" {
        let branch = match release.filter(|release| release.starts_with(|first: char| first.is_ascii_digit())) {
            Some(release) => format!("/release-{}", release.trim_end_matches("-small")),
            None => String::new(),
        };
        return format!("github:nix-community/home-manager{branch}");
    }
    if name.starts_with("nixos-") && name != "nixos-hardware" {
        return format!("github:NixOS/nixpkgs/{name}");
    }
    let known = WELL_KNOWN.iter().find(|(known, _)| *known == name);
    known.map_or(PLACEHOLDER, |(_, reference)| reference).to_owned()
}

/// The nixpkgs that is subscribed to as `nixos`: NixOS looks up root's first, whose list is the last one (`nix.nixPath`).
pub fn nixpkgs(lists: &[PathBuf]) -> Option<String> {
    let mut lists = lists.iter().rev();
    lists.find_map(|list| subscriptions(std::slice::from_ref(list)).remove("nixos"))
}

/// What nix-channel keeps, `URL NAME` a line, as flake references. The first list that has a name counts.
fn subscriptions(lists: &[PathBuf]) -> Channels {
    let mut found = Channels::new();
    for text in lists.iter().filter_map(|list| read_text(list, LARGEST).ok()) {
        for line in text.lines() {
            if let [url, name] = line.split_whitespace().collect::<Vec<_>>()[..] {
                found.entry(name.to_owned()).or_insert_with(|| flake_reference(url));
            }
        }
    }
    found
}

/// A channel's URL as a flake reference.
fn flake_reference(url: &str) -> String {
    let path = url.trim_start_matches("https://").trim_end_matches('/');
    if let Some(channel) = ["nixos.org/channels/", "channels.nixos.org/"]
        .iter()
        .find_map(|place| path.strip_prefix(place))
    {
        return format!("github:NixOS/nixpkgs/{channel}");
    }
    let on_github = path.strip_prefix("github.com/").and_then(|path| {
        let (repository, branch) = path.split_once("/archive/")?;
        let branch = branch.strip_suffix(".tar.gz")?.trim_start_matches("refs/heads/");
        (!branch.contains('/')).then(|| format!("github:{repository}/{branch}"))
    });
    on_github.unwrap_or_else(|| {
        if url.contains(".tar") {
            url.to_owned()
        } else {
            // What nix-channel adds itself.
            format!("{}/nixexprs.tar.xz", url.trim_end_matches('/'))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostics, Severity};

    fn tree(configuration: &str) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("configuration.nix"), configuration).unwrap();
        tree
    }

    fn named(name: &str) -> (String, String) {
        (name.to_owned(), format!("github:x/{name}"))
    }

    #[test]
    fn every_channel_that_is_looked_up_must_be_named_and_is_asked_for_in_one_report() {
        let tree = tree("{ imports = [\n <home-manager/nixos> <home-manager/x>\n <mine/module.nix> ]; }");
        fs::write(tree.path().join("shell.nix"), "import <unstable> { }").unwrap();
        let list = tree.path().join("list");
        fs::write(&list, "https://example.org/mine.tar.gz mine\n").unwrap();
        let nixpkgs = "github:NixOS/nixpkgs/nixos-24.05";
        let choose = |channels: &[(String, String)]| {
            let mut problems = Vec::new();
            let channels = choose(
                tree.path(),
                channels,
                nixpkgs,
                std::slice::from_ref(&list),
                &mut problems,
            );
            (channels, problems)
        };
        let (warnings, errors): (Vec<_>, Vec<_>) = choose(&[])
            .1
            .into_iter()
            .partition(|problem| problem.severity == Severity::Warning);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let error = Diagnostics(errors).to_string();
        for text in [
            "--channel home-manager=github:nix-community/home-manager/release-24.05",
            "where: configuration.nix:2",
            "--channel mine=https://example.org/mine.tar.gz",
        ] {
            assert!(error.contains(text), "{text} is not in\n{error}");
        }
        assert!(!error.contains("unstable"), "{error}");
        let (channels, warnings) = choose(&[named("home-manager"), named("mine")]);
        assert_eq!(channels.keys().collect::<Vec<_>>(), ["home-manager", "mine"]);
        let [warning] = warnings.as_slice() else {
            panic!("{warnings:?}");
        };
        let warning = warning.to_string();
        assert!(
            warning.contains("shell.nix:1")
                && warning.contains("--channel unstable=github:NixOS/nixpkgs/nixos-unstable"),
            "{warning}"
        );
    }

    #[test]
    fn names_that_no_channel_can_have_are_all_refused() {
        let tree = tree("{ }");
        let all = ["nixpkgs", "nixos-config", "nix", "self", "a/b", "", "ok", "ok"].map(named);
        let mut problems = Vec::new();
        choose(tree.path(), &all, "", &[], &mut problems);
        assert_eq!(problems.len(), 7, "{problems:#?}");
        let reasons = ["use --nixpkgs", "configuration.nix of --config", "Nix itself"];
        for (problem, reason) in problems.iter().zip(reasons) {
            assert!(problem.to_string().contains(reason), "{problem}");
        }
    }

    #[test]
    fn references_that_nix_cannot_fetch_are_all_refused_with_one_that_it_can() {
        let tree = tree("{ }");
        let all = [
            ("home-manager", ""),
            ("sops-nix", "./sops-nix"),
            ("mine", "<mine>"),
            ("file", "/etc/passwd"),
            ("agenix", "githup:ryantm/agenix"),
            ("good", "https://example.org/good.tar.gz"),
        ]
        .map(|(name, reference)| (name.to_owned(), reference.to_owned()));
        let mut problems = Vec::new();
        choose(
            tree.path(),
            &all,
            "github:NixOS/nixpkgs/nixos-26.05",
            &[],
            &mut problems,
        );
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for (text, words) in texts.iter().zip([
            [
                "--channel home-manager cannot be \"\": it is empty",
                "github:nix-community/home-manager/release-26.05",
            ],
            [
                "--channel sops-nix cannot be \"./sops-nix\": a relative path",
                "github:Mic92/sops-nix",
            ],
            ["--channel mine cannot be \"<mine>\"", "github:OWNER/mine"],
            [
                "--channel file cannot be \"/etc/passwd\": it is not a directory",
                "file:///PATH",
            ],
            ["`githup:`", "Did you mean `github:`?"],
        ]) {
            assert!(
                words.iter().all(|word| text.contains(word)),
                "{words:?} is not in\n{text}"
            );
        }
        assert_eq!(texts.len(), 5, "{texts:#?}");
    }

    #[test]
    fn the_url_of_a_channel_becomes_a_flake_reference() {
        for (url, expected) in [
            (
                "https://github.com/nix-community/home-manager/archive/release-24.05.tar.gz",
                "github:nix-community/home-manager/release-24.05",
            ),
            (
                "https://nixos.org/channels/nixos-24.05",
                "github:NixOS/nixpkgs/nixos-24.05",
            ),
            (
                "https://channels.nixos.org/nixos-unstable/",
                "github:NixOS/nixpkgs/nixos-unstable",
            ),
            ("https://example.org/x.tar.gz", "https://example.org/x.tar.gz"),
            ("https://example.org/x", "https://example.org/x/nixexprs.tar.xz"),
        ] {
            assert_eq!(flake_reference(url), expected);
        }
    }

    #[test]
    fn the_channels_of_an_edited_flake_are_found() {
        let text = "{ iso = f { channels = { inherit (inputs) a \"in\" b; c = inputs.x; }; other = { d = 1; }; }; }";
        assert_eq!(in_flake(text), ["a", "in", "b", "c"]);
        assert!(in_flake("{ iso = f { }; }").is_empty());
    }
}
