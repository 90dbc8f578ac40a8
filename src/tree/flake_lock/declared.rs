//! The inputs that flake.nix names, beside those that are locked.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use rnix::ast::{Attr, Entry, Expr, HasEntry, InterpolPart};

use super::{FLAKE_LOCK, FlakeLock, Reference, reference};
use crate::diagnostic::Diagnostic;
use crate::tree::source::FLAKE_NIX;

/// What a look at flake.nix and its lock tells without Nix: no lock, inputs that it lacks, inputs that were changed since.
///
/// # Errors
/// When the lock cannot be read or is none.
pub fn problems(root: &Path) -> Result<Vec<Diagnostic>> {
    let Some(declared) = declared(root) else {
        return Ok(Vec::new());
    };
    let Some(lock) = FlakeLock::load(root)? else {
        if declared.is_empty() {
            return Ok(Vec::new());
        }
        return Ok(vec![absent()]);
    };
    if !(5..=7).contains(&lock.version) {
        return Ok(vec![
            Diagnostic::error("flake-lock-too-new", "This version of Nix cannot read flake.lock")
                .at(FLAKE_LOCK, None, None)
                .because(format!("It is of version {}; versions 5 to 7 are known.", lock.version))
                .remedy("Make the ISO with the version of Nix that wrote the lock."),
        ]);
    }
    let known = lock.nodes.get(&lock.root).map(|node| &node.inputs);
    let mut problems = Vec::new();
    for (name, url) in &declared {
        match known.and_then(|inputs| inputs.get(name)) {
            None => problems.push(not_locked(name, url.as_deref())),
            Some(Reference::Node(key)) => {
                let original = lock.nodes.get(key).map(|node| reference(&node.original));
                if let (Some(url), Some(original)) = (url, original)
                    && changed(url, &original)
                {
                    problems.push(stale(name, url, &original));
                }
            }
            Some(Reference::Follows(_)) => {}
        }
    }
    Ok(problems)
}

const MEND: &str = "On a machine with a network run `nix flake lock` in the configuration, and make the ISO again.";

fn absent() -> Diagnostic {
    Diagnostic::error("flake-lock-absent", "The flake has inputs and no flake.lock")
        .at(FLAKE_NIX, None, None)
        .because("Without a network Nix can only use inputs that a lock names exactly.")
        .remedy(MEND)
}

fn not_locked(name: &str, url: Option<&str>) -> Diagnostic {
    let url = url.map_or_else(String::new, |url| format!(" ({url})"));
    Diagnostic::error(
        "flake-lock-incomplete",
        format!("flake.lock does not lock the input `{name}`{url}"),
    )
    .at(FLAKE_LOCK, None, None)
    .because("flake.nix names it. Without a network Nix can only use inputs that the lock names exactly.")
    .remedy(MEND)
}

fn stale(name: &str, url: &str, original: &str) -> Diagnostic {
    Diagnostic::error(
        "flake-lock-stale",
        format!("flake.lock locks another `{name}` than flake.nix asks for"),
    )
    .at(FLAKE_LOCK, None, None)
    .because(format!(
        "flake.nix says {url}, the lock was made for {original}. Nix would fetch the new one."
    ))
    .remedy(MEND)
}

/// Whether two references differ. Only those that are written in one way are compared: hosts of code by owner, name and ref.
fn changed(url: &str, original: &str) -> bool {
    match (parts(url), parts(original)) {
        (Some(url), Some(original)) => url != original,
        _ => false,
    }
}

/// The kind, owner, name and ref of a reference to a host of code, in lower case. As Nix reads it, `github:/a//b/` has two
/// parts.
fn parts(url: &str) -> Option<Vec<String>> {
    let (kind, path) = url.split_once(':')?;
    if !["github", "gitlab", "sourcehut"].contains(&kind) || path.contains(['?', '%']) {
        return None;
    }
    let path = path.split('/').filter(|part| !part.is_empty());
    Some([kind].into_iter().chain(path).map(str::to_ascii_lowercase).collect())
}

/// The inputs that flake.nix names, with the address where it is a plain string; `None` when flake.nix cannot be read.
fn declared(root: &Path) -> Option<BTreeMap<String, Option<String>>> {
    let text = fs::read_to_string(root.join(FLAKE_NIX)).ok()?;
    let parsed = rnix::Root::parse(&text);
    let Expr::AttrSet(flake) = parsed.tree().expr()? else {
        return None;
    };
    let mut inputs = BTreeMap::new();
    collect(&flake, &mut Vec::new(), &mut inputs);
    Some(inputs)
}

/// Walks `inputs = { a.url = "…"; };` and `inputs.a.url = "…";` alike.
fn collect(set: &impl HasEntry, way: &mut Vec<String>, inputs: &mut BTreeMap<String, Option<String>>) {
    for entry in set.entries() {
        let Entry::AttrpathValue(entry) = entry else { continue };
        let names: Option<Vec<String>> = entry
            .attrpath()
            .map(|path| path.attrs().filter_map(|name| plain(&name)).collect());
        let depth = way.len();
        way.extend(names.unwrap_or_default());
        if way.first().is_some_and(|first| first == "inputs") {
            if let Some(name) = way.get(1) {
                let url = inputs.entry(name.clone()).or_insert(None);
                if let (Some("url"), 3, Some(Expr::Str(value))) =
                    (way.get(2).map(String::as_str), way.len(), entry.value())
                {
                    *url = string(&value);
                }
            }
            // Below an input's name only its address counts here.
            if way.len() < 3
                && let Some(Expr::AttrSet(inner)) = entry.value()
            {
                collect(&inner, way, inputs);
            }
        }
        way.truncate(depth);
    }
}

/// The name of an attribute, where it is written out.
#[must_use]
pub fn plain(name: &Attr) -> Option<String> {
    match name {
        Attr::Ident(name) => Some(name.ident_token()?.text().to_owned()),
        Attr::Str(name) => string(name),
        Attr::Dynamic(_) => None,
    }
}

fn string(value: &rnix::ast::Str) -> Option<String> {
    match value.normalized_parts().as_slice() {
        [InterpolPart::Literal(text)] => Some(text.clone()),
        _ => None,
    }
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

    fn told(lock: Option<&str>) -> Vec<String> {
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
    }

    #[test]
    fn a_lock_that_is_absent_incomplete_stale_or_too_new_is_told_by_input() {
        assert_eq!(told(None), ["flake-lock-absent The flake has inputs and no flake.lock"]);
        let lock = r#"{"version":7,"root":"root","nodes":{
            "root":{"inputs":{"nixpkgs":"nixpkgs","tools":"tools","indirect":["tools","x"]}},
            "nixpkgs":{"locked":{"type":"github","owner":"NixOS","repo":"nixpkgs","rev":"1"},
                       "original":{"type":"github","owner":"nixos","repo":"nixpkgs","ref":"nixos-23.11"}},
            "tools":{"locked":{},"original":{"type":"github","owner":"example","repo":"tools"}}}}"#;
        assert_eq!(
            told(Some(lock)),
            [
                "flake-lock-incomplete flake.lock does not lock the input `extra` (https://e.example/x.tar.gz)",
                "flake-lock-stale flake.lock locks another `nixpkgs` than flake.nix asks for",
            ]
        );
        assert!(told(Some(r#"{"version":9,"root":"root","nodes":{}}"#))[0].starts_with("flake-lock-too-new"));
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
