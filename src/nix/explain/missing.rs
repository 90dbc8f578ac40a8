//! Rules for what is missing or broken around the configuration: disks, the lock, the medium, builders.

use regex_lite::Regex;

use super::said::{Said, some};
use crate::diagnostic::{Damage, Diagnostic, FlakeProblem, LockFeature, ProgramProblem, SupplyProblem};
use crate::store_path::store_name;
use crate::tree::locate;

/// Of Nix itself, and of its garbage collector, before it aborts.
pub(super) fn out_of_memory(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(r"error: out of memory|GC Warning: Out of Memory!")?;
    Some(ProgramProblem::OutOfMemory.into())
}

pub(super) fn disk_full(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(r"No space left on device|database or disk is full")?;
    Some(ProgramProblem::DiskFull.into())
}

pub(super) fn read_only(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said.find(r"['‘]?(/[^'’\s:]*)?['’]?:? ?Read-only file system")?;
    Some(ProgramProblem::ReadOnly { path: some(path) }.into())
}

/// The kernel's error when a block of the medium cannot be decompressed. Nix 2.8 and 2.34 do not always name the file.
pub(super) fn unreadable(said: &Said<'_>) -> Option<Diagnostic> {
    let [file] = said
        .find(r"(?:(/(?:nix/store|iso)/[^'’\s:]*)[^\n]*|reading from file: |read of \d+ bytes: )Input/output error")?;
    Some(SupplyProblem::Damaged(Damage::Unreadable { file: some(file) }).into())
}

/// Nix 2.26 hashes the source of an input before it uses it; 2.8 and 2.34 do not.
pub(super) fn input_damaged(said: &Said<'_>) -> Option<Diagnostic> {
    let [name] = said
        .find(r#"mismatch in field 'narHash' of input '[^']*"repo":"([^"]*)"[^']*'"#)
        .or_else(|| said.find(r"mismatch in field 'narHash' of input '([^']*)'"))?;
    let name = name.to_owned();
    Some(SupplyProblem::Damaged(Damage::Input { name }).into())
}

pub(super) fn lock_changed(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(
        r"requires lock file changes|lock ?file contains (unlocked|mutable)|cannot write modified lock file",
    )?;
    Some(Diagnostic::from(FlakeProblem::LockIncomplete).at("flake.lock", None, None))
}

pub(super) fn lock_feature(said: &Said<'_>) -> Option<Diagnostic> {
    let [what, relative] = said.find(r"error: (unsupported \w+ input attribute[^\n]*|cannot fetch input '[^']*' because it uses a (relative path)|input '[^']*' has an unsupported attribute[^\n]*|lock file '[^']*' has unsupported version[^\n]*)")?;
    let feature = match relative {
        "" => LockFeature::Other,
        _ => LockFeature::RelativePath,
    };
    let said = what.to_owned();
    Some(Diagnostic::from(FlakeProblem::LockTooNew { feature, said }).at("flake.lock", None, None))
}

pub(super) fn unknown_input_attribute(said: &Said<'_>) -> Option<Diagnostic> {
    let [name] = said.find(r"unexpected flake input attribute '([^']+)'")?;
    let name = name.to_owned();
    Some(said.at_place(FlakeProblem::InputAttribute { name }))
}

/// How it shows that there is no network.
const NO_NETWORK: &str = r"unable to download|[Cc]ould(?:n't| not) resolve host|Failed to open archive|Failed to fetch git|Cannot find Git revision|unable to fork|resolving Git reference";

/// By one of the builtins that Nix (2.26 and 2.34, not 2.8) names in its trace, with the place. Not `fetchTree`, with which Nix
/// itself fetches the inputs of a flake.
pub(super) fn fetched(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(NO_NETWORK)?;
    let [function] = said.find(r"while calling the '(fetchTarball|fetchurl|fetchGit|fetchMercurial)' builtin")?;
    let [url] = said
        .find(r"unable to download '([^']+)'")
        .or_else(|| said.find(r"while fetching the input '([^']+)'"))
        .or_else(|| said.find(r"repository '([^']+)'"))
        .unwrap_or(["something"]);
    let url = url.to_owned();
    Some(at_call(said, SupplyProblem::Fetch { url }, function))
}

pub(super) fn without_hash(said: &Said<'_>) -> Option<Diagnostic> {
    let [function] = said
        .find(r"in pure evaluation mode, '(fetch\w+)' requires a (?:'sha256' argument|locked input)")
        .or_else(|| said.find(r"in pure evaluation mode, '(fetch\w+)' (?:will not|doesn't) fetch unlocked input"))?;
    let problem = SupplyProblem::FetchWithoutHash {
        function: function.to_owned(),
    };
    Some(at_call(said, problem, function))
}

/// `problem` at the call of `function`: where Nix says it is, else at the first one in the tree.
fn at_call(said: &Said<'_>, problem: SupplyProblem, function: &str) -> Diagnostic {
    let problem = Diagnostic::from(problem);
    let call = said.find(r"while calling the 'fetch\w+' builtin\s+at ([^/\s:][^\s:]*\.nix):(\d+):(\d+)");
    match (call, said.context.root) {
        (Some([file, line, column]), _) => problem.at(file, line.parse().ok(), column.parse().ok()),
        (None, Some(root)) => locate::at_fetch(problem, root, "", function),
        (None, None) => problem,
    }
}

pub(super) fn input_missing(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(NO_NETWORK)?;
    let [input] = said
        .find(r"while (?:fetching the input|(?:updating|fetching) the flake input) '([^']+)'")
        .or_else(|| said.find(r"(?:while updating the lock file|in flake\.lock)()"))
        .or_else(|| said.find(r"(?:Failed to fetch git|of) repository '([^']+)'"))
        .or_else(|| {
            let found = said.find(
                r"unable to download '(https://(?:api\.)?github\.com/[^']+|[^']+/archive/[^']+|[^']+/tarball/[^']+)'",
            );
            found.filter(|[url]| !is_of_cache(url))
        })?;
    Some(FlakeProblem::InputNotFetched { input: some(input) }.into())
}

/// Whether a file at `url` is one of a binary cache, whose own address can have any words (Nix 2.26, binary-cache-store.cc).
fn is_of_cache(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    name.ends_with(".narinfo") || name == "nix-cache-info" || parts.next() == Some("nar")
}

pub(super) fn download(said: &Said<'_>) -> Option<Diagnostic> {
    let [url] = said
        .find(r"unable to download '([^']+)'")
        .or_else(|| said.find(r"cannot download [^\n]*? from any mirror()"))
        .or_else(|| said.find(r"[Cc]ould(?:n't| not) resolve host:? ?'?([^\s')]*)"))?;
    let mut urls: Vec<String> = some(url).into_iter().collect();
    urls.extend(said.find_all(r"unable to download '([^']+)'").into_iter().skip(1));
    Some(
        SupplyProblem::Download {
            name: failed_derivation(said).map(store_name),
            urls,
            wanted_by: wanted_by(said),
        }
        .into(),
    )
}

/// The derivation that failed first: in all versions of Nix, the cause comes first.
fn failed_derivation<'a>(said: &Said<'a>) -> Option<&'a str> {
    let [path] = said
        .find(r"builder for '([^']+\.drv)' failed")
        .or_else(|| said.find(r"Cannot build '([^']+\.drv)'"))?;
    Some(path)
}

/// The names of the derivations that could not be built because the first failed.
fn wanted_by(said: &Said<'_>) -> Vec<String> {
    let Ok(dependants) =
        Regex::new(r"dependenc(?:y|ies)[^\n]* of derivation '([^']+)' failed|error: Cannot build '([^']+)'")
    else {
        return Vec::new();
    };
    let cause = failed_derivation(said);
    let mut names: Vec<String> = dependants
        .captures_iter(said.text)
        .filter_map(|found| Some(found.get(1).or_else(|| found.get(2))?.as_str()))
        .filter(|path| Some(*path) != cause)
        .map(store_name)
        .collect();
    names.dedup();
    names
}

/// Nix says the same of a channel that does not exist and of a file that the channel does not have.
pub(super) fn lookup_failed(said: &Said<'_>) -> Option<Diagnostic> {
    let in_path = said.find(r"file '([^'/]+)/?([^']*)' was not found in the Nix search path");
    let [name, file] =
        in_path.or_else(|| said.find(r"cannot look up '<([^>/]+)/?([^>]*)>' in pure evaluation mode"))?;
    let problem = if !file.is_empty() && said.context.channels.iter().any(|channel| channel == name) {
        let (channel, file) = (name.to_owned(), file.to_owned());
        SupplyProblem::ChannelFileMissing { channel, file }
    } else if name == "nixpkgs" && in_path.is_some() {
        return Some(SupplyProblem::NixpkgsMissing.into());
    } else {
        let name = name.to_owned();
        SupplyProblem::ChannelMissing { name }
    };
    let path = match file {
        "" => name.to_owned(),
        file => format!("{name}/{file}"),
    };
    // Nix 2.26 names no place, and 2.34 can name one of the ISO's own modules.
    let problem = match said.context.root {
        Some(root) => locate::at_lookup(problem.into(), root, &path),
        None => problem.into(),
    };
    Some(if problem.place.is_none() {
        said.at_place(problem)
    } else {
        problem
    })
}

pub(super) fn builder_failed(said: &Said<'_>) -> Option<Diagnostic> {
    let path = failed_derivation(said)?;
    if said.find::<0>(r"failed due to signal 9 ").is_some() {
        let (program, for_memory, memory) = (format!("The builder of {}", store_name(path)), None, None);
        let problem = ProgramProblem::Killed {
            program,
            for_memory,
            memory,
        };
        return Some(problem.into());
    }
    Some(
        ProgramProblem::BuilderFailed {
            name: store_name(path),
            last_line: said.last_line_of_builder().map(str::to_owned),
            wanted_by: wanted_by(said),
        }
        .into(),
    )
}
