//! flake.lock: the inputs that it locks. The format is that of Nix 2.4 and later (versions 5 to 7); relative `path:` inputs have
//! a `parent` since Nix 2.26.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, FlakeLockProblem};

/// The name of the file.
pub const FLAKE_LOCK: &str = "flake.lock";

/// A locked input, direct or of another input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The way to it from the flake: `tools/extra`.
    pub name: String,
    /// What it is locked to, as a flake reference: `github:example/extra/2222…`.
    pub url: String,
    /// `github`, `tarball`, `path`, …
    pub kind: String,
    /// The hash of its source, in SRI form; absent where the lock does not say it.
    pub nar_hash: Option<String>,
    /// Whether it is in the tree of the flake that names it.
    pub relative: bool,
    /// Whether it is written in the form that Nix 2.26 introduced for such inputs.
    pub has_parent: bool,
}

/// A flake.lock.
#[derive(Debug, Default, Deserialize)]
pub struct FlakeLock {
    #[serde(default)]
    nodes: BTreeMap<String, Node>,
    #[serde(default)]
    root: String,
    pub(super) version: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node {
    inputs: BTreeMap<String, Reference>,
    locked: Map<String, Value>,
    original: Map<String, Value>,
    parent: Option<Value>,
}

/// A node's name, or the way to another input that is followed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Reference {
    Node(String),
    Follows(#[allow(dead_code)] Vec<String>), // Only that it is one counts.
}

impl FlakeLock {
    /// Reads the lock of the flake at `root`; `None` when there is none.
    ///
    /// # Errors
    /// A [`Diagnostic`] when it is no lock.
    pub fn load(root: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(root.join(FLAKE_LOCK)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("Failed to read {FLAKE_LOCK}"))?,
        };
        let lock = serde_json::from_str(&text).map_err(|error| {
            let number = |value: usize| u32::try_from(value).ok();
            let reason = reason(&error);
            Diagnostic::from(FlakeLockProblem::Invalid { reason }).at(
                FLAKE_LOCK,
                number(error.line()),
                number(error.column()),
            )
        })?;
        Ok(Some(lock))
    }

    /// Whether the lock has the direct input `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.direct(name).is_some()
    }

    /// The reference that the direct input `name` was locked from; `None` where it follows another input.
    pub(super) fn original(&self, name: &str) -> Option<String> {
        match self.direct(name)? {
            Reference::Node(key) => self.nodes.get(key).map(|node| reference(&node.original)),
            Reference::Follows(_) => None,
        }
    }

    fn direct(&self, name: &str) -> Option<&Reference> {
        self.nodes.get(&self.root)?.inputs.get(name)
    }

    /// All inputs, each once, by the shortest way to it.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([self.root.as_str()]);
        let mut queue = std::collections::VecDeque::from([(String::new(), self.root.as_str())]);
        while let Some((way, key)) = queue.pop_front() {
            let Some(node) = self.nodes.get(key) else { continue };
            if !way.is_empty() {
                found.push(input(&way, node));
            }
            for (name, reference) in &node.inputs {
                if let Reference::Node(key) = reference
                    && seen.insert(key)
                {
                    let way = if way.is_empty() {
                        name.clone()
                    } else {
                        format!("{way}/{name}")
                    };
                    queue.push_back((way, key));
                }
            }
        }
        found
    }
}

/// Without the position, which is the problem's place.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str()
}

fn input(way: &str, node: &Node) -> Input {
    let locked = &node.locked;
    let kind = text(locked, "type").unwrap_or_default().to_owned();
    let path = text(locked, "path").unwrap_or_default();
    Input {
        name: way.to_owned(),
        url: reference(locked),
        nar_hash: text(locked, "narHash").map(str::to_owned),
        relative: kind == "path" && !path.starts_with('/'),
        has_parent: node.parent.is_some(),
        kind,
    }
}

/// A flake reference as a person writes it.
fn reference(map: &Map<String, Value>) -> String {
    let field = |key| text(map, key).unwrap_or_default();
    let at = text(map, "ref")
        .or(text(map, "rev"))
        .map_or_else(String::new, |at| format!("/{at}"));
    match field("type") {
        kind @ ("github" | "gitlab" | "sourcehut") => format!("{kind}:{}/{}{at}", field("owner"), field("repo")),
        "indirect" => format!("{}{at}", field("id")),
        "path" => format!("path:{}", field("path")),
        "git" => format!("git+{}", field("url")),
        _ => field("url").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_inputs_are_named_by_the_way_to_them() {
        let lock: FlakeLock = serde_json::from_str(
            r#"{"version":7,"root":"root","nodes":{
            "root":{"inputs":{"tools":"tools","nixpkgs":"nixpkgs"}},
            "nixpkgs":{"locked":{"type":"github","owner":"NixOS","repo":"nixpkgs","rev":"1","narHash":"sha256-x"}},
            "tools":{"inputs":{"nixpkgs":["nixpkgs"],"extra":"extra"},"locked":{"type":"tarball","url":"https://e.example/t"}},
            "extra":{"locked":{"type":"path","path":"./extra"},"parent":[]}}}"#,
        )
        .unwrap();
        let inputs = lock.inputs();
        let names: Vec<_> = inputs
            .iter()
            .map(|input| format!("{} {}", input.name, input.url))
            .collect();
        assert_eq!(
            names,
            [
                "nixpkgs github:NixOS/nixpkgs/1",
                "tools https://e.example/t",
                "tools/extra path:./extra"
            ]
        );
        assert!(inputs[2].relative && inputs[2].has_parent && !inputs[0].relative);
    }
}
