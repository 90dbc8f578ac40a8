//! The graph of derivations below a toplevel, and what it tells before anything is built.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::Path;

use anyhow::{Context, Result};

use super::derivation::Derivation;
use crate::nix::activity::store_name;
use crate::nix::command::{Invocation, Runner};

/// All derivations that a root needs, directly or not.
#[derive(Debug, Default)]
pub struct Graph {
    drvs: HashMap<String, Derivation>,
    root: String,
}

/// A source that would have to be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name: `htop-3.3.0.tar.gz`.
    pub name: String,
    /// Where it would come from.
    pub address: Option<String>,
    /// The names on the way from the toplevel (first) to what needs it (last).
    pub wanted_by: Vec<String>,
}

/// What has to be done before the toplevel is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// The names of the derivations to build.
    pub build: Vec<String>,
    /// What cannot be had without a network.
    pub missing: Vec<Missing>,
    /// The store paths that are there and that the toplevel, or what is to be built, uses directly.
    pub uses: BTreeSet<String>,
}

/// A command line holds about two million bytes; a store path is some seventy.
const PATHS_A_CALL: usize = 10_000;

impl Graph {
    /// Reads `root` and everything below it from the store.
    ///
    /// # Errors
    /// When a .drv file cannot be read.
    pub fn load(root: &Path) -> Result<Self> {
        let root = root
            .to_str()
            .context("The path of the toplevel's derivation is not UTF-8")?
            .to_owned();
        let mut drvs = HashMap::new();
        let mut queue = vec![root.clone()];
        while let Some(path) = queue.pop() {
            if let Entry::Vacant(entry) = drvs.entry(path) {
                let derivation = Derivation::read(Path::new(entry.key()))?;
                queue.extend(derivation.input_drvs.iter().map(|(input, _)| input.clone()));
                entry.insert(derivation);
            }
        }
        Ok(Self { drvs, root })
    }

    /// How many derivations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.drvs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drvs.is_empty()
    }

    /// The outputs of all derivations that are not in the live system's store.
    ///
    /// # Errors
    /// When Nix cannot tell.
    pub fn invalid_outputs(&self, runner: &Runner) -> Result<HashSet<String>> {
        let paths: Vec<&str> = self
            .drvs
            .values()
            .flat_map(|derivation| &derivation.outputs)
            .map(|output| output.path.as_str())
            .filter(|path| !path.is_empty())
            .collect();
        let mut invalid = HashSet::new();
        for chunk in paths.chunks(PATHS_A_CALL) {
            let ask = Invocation::new("nix-store")
                .args(["--check-validity", "--print-invalid"])
                .args(chunk.iter().copied())
                .long();
            invalid.extend(runner.output(&ask)?.lines().map(str::to_owned));
        }
        Ok(invalid)
    }

    /// What is to be done when `invalid` are the outputs that are not there: an output that is there is used; a source that
    /// is not there is missing; anything else is built, once its inputs are there.
    #[must_use]
    pub fn work(&self, invalid: &HashSet<String>) -> Work {
        let mut work = Work::default();
        let mut parents: HashMap<&str, &str> = HashMap::new();
        let mut queue = VecDeque::new();
        if let Some((root, derivation)) = self.drvs.get_key_value(&self.root) {
            if derivation.outputs.iter().any(|output| invalid.contains(&output.path)) {
                queue.push_back((root.as_str(), derivation));
            } else {
                work.uses
                    .extend(derivation.outputs.iter().map(|output| output.path.clone()));
            }
        }
        while let Some((path, derivation)) = queue.pop_front() {
            if derivation.is_fixed_output() {
                work.missing.push(Missing {
                    name: store_name(path),
                    address: derivation.address().map(str::to_owned),
                    wanted_by: chain(&parents, path),
                });
                continue;
            }
            work.build.push(store_name(path));
            work.uses.extend(derivation.input_srcs.iter().cloned());
            for (input, needed, names) in self.inputs(derivation) {
                let used = needed.outputs.iter().filter(|output| names.contains(&output.name));
                let (absent, there): (Vec<_>, Vec<_>) =
                    used.partition(|output| output.path.is_empty() || invalid.contains(&output.path));
                work.uses.extend(there.iter().map(|output| output.path.clone()));
                if !absent.is_empty() && input != self.root && !parents.contains_key(input) {
                    parents.insert(input, path);
                    queue.push_back((input, needed));
                }
            }
        }
        work
    }

    /// The derivations that `derivation` needs, with the names of the outputs that it uses.
    fn inputs<'a>(
        &'a self,
        derivation: &'a Derivation,
    ) -> impl Iterator<Item = (&'a str, &'a Derivation, &'a [String])> {
        derivation.input_drvs.iter().filter_map(|(input, names)| {
            let (input, needed) = self.drvs.get_key_value(input)?;
            Some((input.as_str(), needed, names.as_slice()))
        })
    }
}

/// The names from the root to what needs `path`.
fn chain(parents: &HashMap<&str, &str>, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = path;
    while let Some(parent) = parents.get(at) {
        names.push(store_name(parent));
        at = parent;
    }
    names.reverse();
    names
}

/// The option that put something into the system, as far as the names on the way from the toplevel tell
/// (`wanted_by` of [`Missing`]): what it is, and the package that wants it. The names are nixpkgs 24.05's.
#[must_use]
pub fn nearest_option(wanted_by: &[String]) -> (Option<String>, Option<&str>) {
    for (index, name) in wanted_by.iter().enumerate() {
        let option = if name == "system-path" {
            Some("environment.systemPackages".to_owned())
        } else if name == "user-environment" || name.ends_with("-packages") {
            Some("users.users.<name>.packages".to_owned())
        } else {
            name.strip_prefix("unit-")
                .and_then(|unit| unit.strip_suffix(".service"))
                .map(|unit| format!("systemd.services.{unit}"))
        };
        if option.is_some() {
            return (option, wanted_by.get(index + 1).map(String::as_str));
        }
    }
    (None, wanted_by.last().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::derivation::Output;

    fn drv(name: &str, fixed: bool, inputs: &[&str]) -> (String, Derivation) {
        let output = Output {
            name: "out".into(),
            path: format!("/nix/store/h-{name}"),
            hash_algo: String::new(),
            hash: if fixed { "00".into() } else { String::new() },
        };
        let derivation = Derivation {
            outputs: vec![output],
            input_drvs: inputs
                .iter()
                .map(|input| (format!("/nix/store/h-{input}.drv"), vec!["out".to_owned()]))
                .collect(),
            env: vec![("url".into(), format!("https://e.example/{name}"))],
            ..Derivation::default()
        };
        (format!("/nix/store/h-{name}.drv"), derivation)
    }

    fn graph() -> Graph {
        let drvs = [
            drv("system", false, &["system-path", "etc"]),
            drv("system-path", false, &["htop", "hello"]),
            drv("etc", false, &[]),
            drv("htop", false, &["htop.tar", "ncurses"]),
            drv("hello", false, &["hello.tar"]),
            drv("ncurses", false, &["ncurses.tar"]),
            drv("htop.tar", true, &[]),
            drv("hello.tar", true, &[]),
            drv("ncurses.tar", true, &[]),
        ];
        Graph {
            drvs: drvs.into_iter().collect(),
            root: "/nix/store/h-system.drv".into(),
        }
    }

    fn invalid(names: &[&str]) -> HashSet<String> {
        names.iter().map(|name| format!("/nix/store/h-{name}")).collect()
    }

    #[test]
    fn a_source_below_something_that_is_there_is_not_missing() {
        let work = graph().work(&invalid(&["system", "etc", "hello.tar", "htop.tar", "ncurses.tar"]));
        assert_eq!(work.build, ["system", "etc"]);
        assert_eq!(work.uses.iter().collect::<Vec<_>>(), ["/nix/store/h-system-path"]);
        assert_eq!(work.missing, []);
    }

    #[test]
    fn a_missing_source_is_told_with_its_address_and_with_who_wants_it() {
        let work = graph().work(&invalid(&["system", "system-path", "htop", "htop.tar", "hello.tar"]));
        assert_eq!(work.build, ["system", "system-path", "htop"]);
        let missing = Missing {
            name: "htop.tar".into(),
            address: Some("https://e.example/htop.tar".into()),
            wanted_by: vec!["system".into(), "system-path".into(), "htop".into()],
        };
        assert_eq!(work.missing, std::slice::from_ref(&missing));
        assert_eq!(
            nearest_option(&missing.wanted_by),
            (Some("environment.systemPackages".to_owned()), Some("htop"))
        );
    }

    #[test]
    fn nothing_is_to_be_done_when_the_toplevel_is_there() {
        let work = graph().work(&invalid(&["htop", "htop.tar"]));
        assert_eq!((work.build.len(), work.missing.len()), (0, 0));
        assert_eq!(work.uses.iter().collect::<Vec<_>>(), ["/nix/store/h-system"]);
    }
}
