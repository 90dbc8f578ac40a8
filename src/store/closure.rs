//! What has to be built for a toplevel, what that uses, and what is missing, from the graph of its derivations.

use std::collections::{BTreeSet, HashMap, VecDeque};

use anyhow::Result;

use super::database;
use super::graph::{Graph, Id};
use crate::process::Runner;
use crate::store_path::store_name;

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

/// What has to be done to build a toplevel.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// The names of the derivations to build.
    pub build: Vec<String>,
    /// How many of these are initrds: a system's own, and those of its specialisations.
    pub initrds: usize,
    /// The sources that only a network has.
    pub missing: Vec<Missing>,
    /// The valid store paths that the toplevel, or what is to be built, refers to directly.
    pub uses: BTreeSet<String>,
}

impl Graph {
    /// The outputs of all derivations that are not in the live system's store.
    ///
    /// # Errors
    /// When the store cannot be queried.
    pub fn invalid_outputs(&self, runner: &Runner) -> Result<BTreeSet<String>> {
        let paths: Vec<&str> = self
            .nodes()
            .iter()
            .flat_map(|node| &node.outputs)
            .map(|output| &*output.path)
            .filter(|path| !path.is_empty())
            .collect();
        database::invalid(runner, None, &paths)
    }

    /// What has to be done when `invalid` are the outputs that are not in the store. A valid output is used, an invalid source
    /// is missing, and anything else is built after its inputs.
    #[must_use]
    pub fn work(&self, invalid: &BTreeSet<String>) -> Work {
        let mut work = Work::default();
        let absent = |path: &str| path.is_empty() || invalid.contains(path);
        let mut parents: HashMap<Id, Option<Id>> = HashMap::new();
        let mut queue = VecDeque::new();
        let mut initrds = BTreeSet::new();
        for &root in self.roots() {
            let outputs = &self.nodes()[root].outputs;
            if outputs.iter().any(|output| absent(&output.path)) {
                if parents.insert(root, None).is_none() {
                    queue.push_back(root);
                }
            } else {
                work.uses.extend(outputs.iter().map(|output| output.path.to_string()));
            }
        }
        while let Some(id) = queue.pop_front() {
            let node = &self.nodes()[id];
            if node.fixed {
                work.missing.push(Missing {
                    name: store_name(&node.path),
                    address: node.address.clone(),
                    wanted_by: self.chain(&parents, id),
                });
                continue;
            }
            work.build.push(store_name(&node.path));
            work.uses.extend(node.sources.iter().map(ToString::to_string));
            for (input, names) in &node.inputs {
                let mut to_build = false;
                let outputs = self.nodes()[*input].outputs.iter();
                for output in outputs.filter(|output| names.contains(&output.name)) {
                    if absent(&output.path) {
                        to_build = true;
                    } else {
                        work.uses.insert(output.path.to_string());
                    }
                }
                if to_build && self.is_initrd(id, *input) {
                    initrds.insert(*input);
                }
                if to_build && !parents.contains_key(input) {
                    parents.insert(*input, Some(id));
                    queue.push_back(*input);
                }
            }
        }
        work.initrds = initrds.len();
        work
    }

    /// Whether `input` of `id` is the image of an initrd: of all that is called `initrd-…` only that one is needed by a toplevel
    /// directly (nixpkgs 24.05 and 26.11: system/activation/top-level.nix; with a systemd initrd, some 17 others have
    /// such names).
    fn is_initrd(&self, id: Id, input: Id) -> bool {
        let name = |id: Id| store_name(&self.nodes()[id].path);
        let toplevel = self.roots().contains(&id) || name(id).starts_with("nixos-system-");
        toplevel && name(input).starts_with("initrd-")
    }

    /// The names from the root to what needs `id`.
    fn chain(&self, parents: &HashMap<Id, Option<Id>>, id: Id) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = id;
        while let Some(Some(parent)) = parents.get(&at) {
            names.push(store_name(&self.nodes()[*parent].path));
            at = *parent;
        }
        names.reverse();
        names
    }
}

/// The option that added something to the system, and the package that needs it, from the names on the way from the toplevel
/// (`wanted_by` of [`Missing`]) as nixpkgs 24.05 chooses them.
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
    use crate::store::graph::tests::describe;

    fn graph() -> Graph {
        let drv = |name, fixed, inputs: &[&str]| {
            let url = vec![("url", format!("https://e.example/{name}"))];
            (name, fixed, url, inputs.iter().map(ToString::to_string).collect())
        };
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
        describe(&drvs, &["system"])
    }

    fn invalid(names: &[&str]) -> BTreeSet<String> {
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
    fn a_missing_source_is_reported_with_its_address_and_with_who_wants_it() {
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
    fn of_what_is_called_initrd_only_what_a_toplevel_needs_itself_is_one() {
        let drv = |name, inputs: &[&str]| (name, false, vec![], inputs.iter().map(ToString::to_string).collect());
        let graph = describe(
            &[
                drv("system", &["initrd-linux", "boot.json", "nixos-system-second"]),
                drv("initrd-linux", &["initrd-units", "initrd-fstab"]),
                drv("initrd-units", &["initrd-unit-x"]),
                drv("initrd-fstab", &[]),
                drv("initrd-unit-x", &[]),
                drv("boot.json", &["initrd-linux"]),
                drv("nixos-system-second", &["initrd-second", "initrd-linux"]),
                drv("initrd-second", &["initrd-units"]),
            ],
            &["system"],
        );
        let all: Vec<String> = graph.nodes().iter().map(|node| store_name(&node.path)).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(graph.work(&invalid(&all)).initrds, 2);
        let all: Vec<&str> = all.into_iter().filter(|name| *name != "initrd-second").collect();
        assert_eq!(graph.work(&invalid(&all)).initrds, 1);
    }

    #[test]
    fn nothing_is_to_be_done_when_the_toplevel_is_there() {
        let work = graph().work(&invalid(&["htop", "htop.tar"]));
        assert_eq!((work.build.len(), work.missing.len()), (0, 0));
        assert_eq!(
            work.uses.iter().collect::<Vec<_>>(),
            ["/nix/store/h-system", "/nix/store/h-system-dev"]
        );
    }
}
