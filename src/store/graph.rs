//! The graph of derivations below one or several roots, read once and used for everything that can be known without
//! building: what is missing (`closure`), what an image must hold (`frontier`), and why it holds it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::derivation::Derivation;

/// The place of a derivation in its graph.
pub type Id = usize;

/// An output and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `out`, `dev`, …
    pub name: Box<str>,
    /// Its store path; empty where it is known only after the build (floating content-addressed).
    pub path: Box<str>,
}

/// The names of outputs that a derivation uses of another one. Shared, because a graph has a hundred thousand such lists, and few
/// different ones.
pub type Names = Arc<[Box<str>]>;

/// What is kept of a derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The path of its .drv file.
    pub path: Box<str>,
    /// At least one.
    pub outputs: Vec<Output>,
    /// The derivations that it needs, each with the names of the outputs that it uses.
    pub inputs: Vec<(Id, Names)>,
    /// The store paths that it needs as they are.
    pub sources: Vec<Box<str>>,
    /// A source: its content is known before it is built.
    pub fixed: bool,
    /// Where a source comes from.
    pub address: Option<String>,
    /// The output of the standard environment that builds it.
    pub stdenv: Option<String>,
    /// What it unpacks: `src` and `srcs`.
    pub unpacks: Vec<String>,
    /// Of a standard environment: the tools that it brings (`defaultNativeBuildInputs`).
    pub tools: Vec<String>,
    /// Its outputs may be copied from another store; where they may not, Nix builds them again.
    pub substitutable: bool,
}

/// All derivations that the roots need, directly or not.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    /// By the path of the .drv file.
    ids: HashMap<Box<str>, Id>,
    roots: Vec<Id>,
}

impl Graph {
    /// Reads `roots` and everything below them from the store.
    ///
    /// # Errors
    /// When a .drv file cannot be read or is not one.
    pub fn load<P: AsRef<Path>>(roots: &[P]) -> Result<Self> {
        let mut names = Vec::with_capacity(roots.len());
        for root in roots {
            let root = root.as_ref();
            names.push(
                root.to_str()
                    .with_context(|| format!("{} is not UTF-8", root.display()))?,
            );
        }
        Self::read_with(&names, |path| {
            fs::read(path).with_context(|| format!("Failed to read {path}"))
        })
    }

    /// As [`Graph::load`], with the bytes of a .drv file from `read`.
    ///
    /// # Errors
    /// As [`Graph::load`].
    pub fn read_with(roots: &[&str], mut read: impl FnMut(&str) -> Result<Vec<u8>>) -> Result<Self> {
        let mut graph = Self::default();
        // A place for each path that was met; filled in the order in which they were met.
        let mut met: Vec<Box<str>> = Vec::new();
        let mut lists: HashSet<Names> = HashSet::new();
        for root in roots {
            let id = graph.place(root, &mut met);
            graph.roots.push(id);
        }
        while let Some(path) = met.get(graph.nodes.len()).cloned() {
            let bytes = read(&path)?;
            let derivation = Derivation::parse(&bytes)
                .with_context(|| format!("{path} is not a derivation that this program can read"))?;
            let mut inputs = Vec::with_capacity(derivation.input_drvs.len());
            for (input, names) in &derivation.input_drvs {
                let names: Names = names.iter().map(|name| name.as_ref().into()).collect();
                let names = lists.get(&names).cloned().unwrap_or_else(|| {
                    lists.insert(names.clone());
                    names
                });
                inputs.push((graph.place(input, &mut met), names));
            }
            graph.nodes.push(node(path, &derivation, inputs));
        }
        ensure!(!graph.roots.is_empty(), "No derivation was named");
        Ok(graph)
    }

    fn place(&mut self, path: &str, met: &mut Vec<Box<str>>) -> Id {
        match self.ids.entry(path.into()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                met.push(new.key().clone());
                *new.insert(met.len() - 1)
            }
        }
    }

    /// The derivations that were asked for, in that order.
    #[must_use]
    pub fn roots(&self) -> &[Id] {
        &self.roots
    }

    /// All derivations; the place of one is its [`Id`].
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The derivation at `path` (of a .drv file).
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Id> {
        self.ids.get(path).copied()
    }

    /// `root` and all that it needs, directly or not.
    #[must_use]
    pub fn below(&self, root: Id) -> Vec<Id> {
        let mut seen = vec![false; self.len()];
        let mut found = vec![root];
        seen[root] = true;
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            next += 1;
            for (input, _) in &self.nodes[id].inputs {
                if !std::mem::replace(&mut seen[*input], true) {
                    found.push(*input);
                }
            }
        }
        found
    }

    /// How many derivations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Which derivation makes each output.
    #[must_use]
    pub fn makers(&self) -> HashMap<&str, Id> {
        let outputs = self.nodes.iter().enumerate();
        outputs
            .flat_map(|(id, node)| node.outputs.iter().map(move |output| (&*output.path, id)))
            .filter(|(path, _)| !path.is_empty())
            .collect()
    }
}

fn node(path: Box<str>, derivation: &Derivation<'_>, inputs: Vec<(Id, Names)>) -> Node {
    let fixed = derivation.is_fixed_output();
    let one = |name| derivation.words(name).into_iter().next();
    Node {
        path,
        outputs: derivation
            .outputs
            .iter()
            .map(|output| Output {
                name: output.name.as_ref().into(),
                path: output.path.as_ref().into(),
            })
            .collect(),
        inputs,
        sources: derivation
            .input_srcs
            .iter()
            .map(|source| source.as_ref().into())
            .collect(),
        fixed,
        address: if fixed { derivation.address() } else { None },
        stdenv: one("stdenv"),
        unpacks: ["src", "srcs"].iter().flat_map(|name| derivation.words(name)).collect(),
        tools: derivation.words("defaultNativeBuildInputs"),
        substitutable: derivation.is_substitutable(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Write;

    use super::*;

    /// A graph from descriptions: `(name, fixed, environment, inputs)`, the first of which is the root. An input is `name` or
    /// `name!output`; each derivation has the outputs `out` and `dev`.
    pub(crate) type Description<'a> = (&'a str, bool, Vec<(&'a str, String)>, Vec<String>);

    pub(crate) fn drv(name: &str) -> String {
        format!("/nix/store/h-{name}.drv")
    }

    pub(crate) fn out(name: &str) -> String {
        format!("/nix/store/h-{name}")
    }

    pub(crate) fn describe(descriptions: &[Description<'_>], roots: &[&str]) -> Graph {
        let mut files = HashMap::new();
        for (name, fixed, env, inputs) in descriptions {
            let hash = if *fixed { r#""sha256","00""# } else { r#""","""# };
            let mut text =
                format!(r#"Derive([("dev","/nix/store/h-{name}-dev",{hash}),("out","/nix/store/h-{name}",{hash})],["#);
            for (index, input) in inputs.iter().enumerate() {
                let (input, output) = input.split_once('!').unwrap_or((input, "out"));
                let comma = if index == 0 { "" } else { "," };
                write!(text, r#"{comma}("{}",["{output}"])"#, drv(input)).unwrap();
            }
            text.push_str(r#"],[],"x86_64-linux","/bin/sh",[],["#);
            for (index, (key, value)) in env.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(text, r#"{comma}("{key}","{value}")"#).unwrap();
            }
            text.push_str("])");
            files.insert(drv(name), text.into_bytes());
        }
        let roots: Vec<String> = roots.iter().map(|root| drv(root)).collect();
        let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
        Graph::read_with(&roots, |path| {
            files.get(path).cloned().with_context(|| format!("no {path}"))
        })
        .unwrap()
    }

    #[test]
    fn what_several_roots_share_is_read_once() {
        let none = Vec::new;
        let graph = describe(
            &[
                ("a", false, none(), vec!["shared".into()]),
                ("b", false, none(), vec!["shared!dev".into(), "a".into()]),
                ("shared", true, none(), vec![]),
            ],
            &["a", "b"],
        );
        assert_eq!(graph.len(), 3);
        assert_eq!(graph.roots(), [0, 1]);
        assert_eq!(
            graph.makers()["/nix/store/h-shared-dev"],
            graph.find(&drv("shared")).unwrap()
        );
    }

    #[test]
    fn a_derivation_that_is_not_there_is_reported_by_its_path() {
        let error = Graph::load(&["/nowhere/x.drv"]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/x.drv"), "{error:#}");
    }
}
