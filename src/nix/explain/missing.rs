//! What is missing or broken around the configuration: disks, the lock, what is on the medium, builders.

use regex_lite::Regex;

use super::{LOOKUP, Said};
use crate::diagnostic::Diagnostic;
use crate::nix::activity::store_name;

pub(super) fn disk_full(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(r"No space left on device|database or disk is full")?;
    Some(
        Diagnostic::error("disk-full", "There is no space left")
            .because("Either the target is too small for this system, or the live system's memory, where it is built, is full.")
            .remedy("`df -h` says which. Use a larger disk or more memory (or swap), then run the same command again: it goes on from here."),
    )
}

pub(super) fn read_only(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said.find(r"['‘]?(/[^'’\s:]*)?['’]?:? ?Read-only file system")?;
    Some(
        Diagnostic::error(
            "read-only",
            format!("The file system cannot be written {path}").trim_end(),
        )
        .because("It is mounted read-only; a damaged file system is remounted so by the kernel.")
        .remedy("`dmesg` says whether the disk failed. Otherwise: mount -o remount,rw TARGET"),
    )
}

/// The kernel's error when a block of the medium cannot be decompressed. Nix 2.8 and 2.34 do not always say of which file.
pub(super) fn unreadable(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said
        .find(r"(?:(/(?:nix/store|iso)/[^'’\s:]*)[^\n]*|reading from file: |read of \d+ bytes: )Input/output error")?;
    let what = if path.is_empty() { "One of its files" } else { path };
    Some(damaged(format!("{what} cannot be read.")))
}

/// Nix 2.26 hashes the source of an input before it uses it; 2.8 and 2.34 do not: see `install::copy`.
pub(super) fn input_damaged(said: &Said<'_>) -> Option<Diagnostic> {
    let [input] = said
        .find(r#"mismatch in field 'narHash' of input '[^']*"repo":"([^"]*)"[^']*'"#)
        .or_else(|| said.find(r"mismatch in field 'narHash' of input '([^']*)'"))?;
    Some(damaged(format!(
        "The source of the flake input {input} is not the one that flake.lock names."
    )))
}

/// What is read from the medium is not what it was when the ISO was made.
#[must_use]
pub fn damaged(why: String) -> Diagnostic {
    Diagnostic::error("medium-damaged", "The installation medium is damaged")
        .because(why)
        .remedy(
            "Compare the check sum of the stick with the ISO's, write it again or use another stick, and run the same \
             command again. `nix-cfg-install --verify-store` checks all that an installation needs.",
        )
}

pub(super) fn lock_changed(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(
        r"requires lock file changes|lock ?file contains (unlocked|mutable)|cannot write modified lock file",
    )?;
    Some(
        Diagnostic::error(
            "flake-lock-incomplete",
            "flake.lock does not lock all inputs of the flake",
        )
        .at("flake.lock", None, None)
        .because("Without a network Nix can only use inputs that the lock names exactly.")
        .remedy("On a machine with a network run `nix flake lock` in the configuration, and make the ISO again."),
    )
}

pub(super) fn lock_feature(said: &Said<'_>) -> Option<Diagnostic> {
    let [what] = said.find(r"error: (unsupported \w+ input attribute[^\n]*|cannot fetch input '[^']*' because it uses a relative path|input '[^']*' has an unsupported attribute[^\n]*|lock file '[^']*' has unsupported version[^\n]*)")?;
    Some(
        Diagnostic::error("flake-lock-too-new", "This version of Nix cannot read flake.lock")
            .at("flake.lock", None, None)
            .because(what)
            .remedy("Make the ISO with the version of Nix that wrote the lock."),
    )
}

pub(super) fn input_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let network = r"unable to download|[Cc]ould(?:n't| not) resolve host|Failed to open archive|Failed to fetch git|Cannot find Git revision|unable to fork";
    said.find::<0>(network)?;
    let [input, other] = said.find(
        r"(?:while fetching the input '([^']+)'|while (?:updating|fetching) the (?:lock file|flake input) '?([^'\n]*)|in flake\.lock)",
    )
    .or_else(|| said.find(r"(?:Failed to fetch git|of) repository '([^']+)'()"))
    .or_else(|| said.find(r"unable to download '(https://(?:api\.)?github\.com/[^']+|[^']+/archive/[^']+|[^']+/tarball/[^']+)'()"))?;
    let input = if input.is_empty() { other } else { input };
    let problem = if input.is_empty() {
        Diagnostic::error("flake-input-missing", "A flake input is not on this medium")
    } else {
        Diagnostic::error(
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

pub(super) fn download(said: &Said<'_>) -> Option<Diagnostic> {
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
        Diagnostic::error("not-on-medium", what)
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

pub(super) fn channel_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let [name] = said
        .find(r"file '([^'/]+)[^']*' was not found in the Nix search path")
        .or_else(|| said.find(r"cannot look up '<([^>/]+)[^>]*>' in pure evaluation mode"))?;
    if name == "nixpkgs" && said.find::<0>("was not found in the Nix search path").is_some() {
        return Some(
            Diagnostic::error("nixpkgs-missing", "There is no nixpkgs on this medium")
                .because(
                    "A channel configuration is evaluated with the live system's `nixos` channel, and there is none.",
                )
                .remedy("Name a nixpkgs with `nixpkgs: PATH` in the settings, or make the ISO again."),
        );
    }
    let problem = Diagnostic::error(
        LOOKUP,
        format!("The configuration looks up <{name}>, which is not there"),
    )
    .because("The ISO brings its own copy of each channel, and it was made without this one. A flake has no channels.")
    .remedy(format!(
        "Make the ISO again with `nix-cfg-iso init … --channel {name}=FLAKEREF`; in a flake, use an input."
    ));
    Some(said.at_place(problem))
}

pub(super) fn builder_failed(said: &Said<'_>) -> Option<Diagnostic> {
    let path = failed_derivation(said)?;
    Some(
        Diagnostic::error("builder-failed", format!("Building {} failed", store_name(path)))
            .because(format!(
                "Its builder stopped with an error; its last lines are below.{}{}",
                said.last_word_of_builder()
                    .map_or_else(String::new, |word| format!(" The last one: {word}.")),
                wanted_by(said)
            ))
            .remedy("Mend or remove it in the configuration. The log has the builder's output."),
    )
}
