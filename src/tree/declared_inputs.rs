//! The inputs that flake.nix declares, compared with those that are locked.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::attributes::attributes;
use super::flake_lock::{FLAKE_LOCK, FlakeLock};
use super::source::FLAKE_NIX;
use super::syntax::Shape;
use crate::diagnostic::{Diagnostic, FlakeLockProblem};

/// What is wrong with the lock of the flake at `root`, as far as that can be seen without Nix: no lock, inputs that it
/// lacks, inputs that were changed since. An error when the lock is invalid.
pub fn problems(root: &Path) -> Result<Vec<Diagnostic>> {
    let Some(declared) = declared(root) else {
        return Ok(Vec::new());
    };
    let in_lock = |problem: FlakeLockProblem| Diagnostic::from(problem).at(FLAKE_LOCK, None, None);
    let Some(lock) = FlakeLock::load(root)? else {
        let absent = Diagnostic::from(FlakeLockProblem::Absent).at(FLAKE_NIX, None, None);
        return Ok(if declared.is_empty() { Vec::new() } else { vec![absent] });
    };
    if !(5..=7).contains(&lock.version) {
        let version = lock.version;
        return Ok(vec![in_lock(FlakeLockProblem::UnknownVersion { version })]);
    }
    let problems = declared.into_iter().filter_map(|(name, url)| {
        if !lock.has(&name) {
            return Some(FlakeLockProblem::InputNotLocked { name, url });
        }
        let (url, locked) = (url?, lock.original(&name)?);
        changed(&url, &locked).then_some(FlakeLockProblem::InputChanged { name, url, locked })
    });
    Ok(problems.map(in_lock).collect())
}

/// Whether two references differ. Only those that are written in one way are compared: forges by owner, name and ref.
fn changed(url: &str, original: &str) -> bool {
    match (parts(url), parts(original)) {
        (Some(url), Some(original)) => url != original,
        _ => false,
    }
}

/// The kind, owner, name and ref of a reference to a forge, in lower case. As Nix reads it, `github:/a//b/` has two
/// parts.
fn parts(url: &str) -> Option<Vec<String>> {
    let (kind, path) = url.split_once(':')?;
    if !["github", "gitlab", "sourcehut"].contains(&kind) || path.contains(['?', '%']) {
        return None;
    }
    let path = path.split('/').filter(|part| !part.is_empty());
    Some([kind].into_iter().chain(path).map(str::to_ascii_lowercase).collect())
}

/// Not an input: how the flake itself is fetched (`inputs.self.submodules = true;`, Nix 2.27).
const SELF: &str = "self";

/// What the flake at `root` says of how it is fetched: `submodules`, `lfs`.
pub fn of_self(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join(FLAKE_NIX)).unwrap_or_default();
    let paths = attributes(&text).into_iter().flatten().map(|attribute| attribute.path);
    paths
        .filter_map(|path| match path.as_slice() {
            [inputs, name, attribute] if inputs == "inputs" && name == SELF => Some(attribute.clone()),
            _ => None,
        })
        .collect()
}

/// The inputs that flake.nix declares, with the reference where it is a plain string; `None` when flake.nix cannot be read.
fn declared(root: &Path) -> Option<BTreeMap<String, Option<String>>> {
    let text = fs::read_to_string(root.join(FLAKE_NIX)).ok()?;
    let mut inputs = BTreeMap::new();
    for attribute in attributes(&text)? {
        let path: Vec<&str> = attribute.path.iter().map(String::as_str).collect();
        if let ["inputs", name, rest @ ..] = path.as_slice()
            && *name != SELF
        {
            let url = inputs.entry((*name).to_owned()).or_insert(None);
            if let (["url"], Shape::String(value)) = (rest, attribute.value.shape) {
                *url = Some(value);
            }
        }
    }
    Some(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUTS: &str = r#"{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
    "tools" = { url = "github:example/tools"; inputs.nixpkgs.follows = "nixpkgs"; };
    indirect.flake = false;
  };
  inputs.extra.url = "https://e.example/x.tar.gz";
  inputs.self.submodules = true;
  outputs = inputs: { inputs.none = 1; };
}"#;

    fn tree(lock: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(FLAKE_NIX), INPUTS).unwrap();
        if let Some(lock) = lock {
            fs::write(root.path().join(FLAKE_LOCK), lock).unwrap();
        }
        root
    }

    fn reported(lock: Option<&str>) -> Vec<String> {
        let problems = problems(tree(lock).path()).unwrap();
        problems
            .iter()
            .map(|problem| format!("{} {}", problem.code, problem.what))
            .collect()
    }

    #[test]
    fn inputs_are_read_however_they_are_written() {
        let inputs = declared(tree(None).path()).unwrap();
        let expected = [
            ("extra", Some("https://e.example/x.tar.gz")),
            ("indirect", None),
            ("nixpkgs", Some("github:NixOS/nixpkgs/nixos-24.05")),
            ("tools", Some("github:example/tools")),
        ];
        let inputs: Vec<_> = inputs
            .iter()
            .map(|(name, url)| (name.as_str(), url.as_deref()))
            .collect();
        assert_eq!(inputs, expected);
        assert_eq!(of_self(tree(None).path()), ["submodules"]);
    }

    #[test]
    fn a_lock_that_is_absent_incomplete_stale_or_too_new_is_reported_by_input() {
        assert_eq!(
            reported(None),
            ["flake-lock-absent The flake has inputs and no flake.lock"]
        );
        let lock = r#"{"version":7,"root":"root","nodes":{
            "root":{"inputs":{"nixpkgs":"nixpkgs","tools":"tools","indirect":["tools","x"]}},
            "nixpkgs":{"locked":{"type":"github","owner":"NixOS","repo":"nixpkgs","rev":"1"},
                       "original":{"type":"github","owner":"nixos","repo":"nixpkgs","ref":"nixos-23.11"}},
            "tools":{"locked":{},"original":{"type":"github","owner":"example","repo":"tools"}}}}"#;
        assert_eq!(
            reported(Some(lock)),
            [
                "flake-lock-incomplete flake.lock does not lock the input `extra` (https://e.example/x.tar.gz)",
                "flake-lock-stale flake.lock locks another `nixpkgs` than flake.nix asks for",
            ]
        );
        assert!(reported(Some(r#"{"version":9,"root":"root","nodes":{}}"#))[0].starts_with("flake-lock-too-new"));
        let error = problems(tree(Some("{\n<<<<<<< HEAD\n")).path()).unwrap_err();
        assert!(error.to_string().contains("flake.lock:2:1"), "{error}");
    }

    #[test]
    fn references_that_nix_reads_alike_are_the_same() {
        for url in ["github:/NixOS/nixpkgs/main", "github:nixos//nixpkgs/main/"] {
            assert!(!changed(url, "github:NixOS/nixpkgs/main"), "{url}");
        }
        for url in ["github:NixOS/nixpkgs", "gitlab:NixOS/nixpkgs/main"] {
            assert!(changed(url, "github:NixOS/nixpkgs/main"), "{url}");
        }
    }
}
