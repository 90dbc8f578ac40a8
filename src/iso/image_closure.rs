//! What an image must hold, as JSON: for nix/closure.nix, which makes store paths of it, and for people who ask why.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::store::frontier::{Frontier, Leaf, Leaves, frontier};
use crate::store::graph::{Graph, Id};
use crate::store_path::store_name;

/// The name of the root that is the installed system itself.
pub const TARGET: &str = "target";

/// All that is known without building.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImageClosure {
    /// The .drv files of the system and of its variants, by name.
    pub roots: BTreeMap<String, PathBuf>,
    /// How much there is.
    pub counts: Counts,
    /// What must be on the image, besides what the system needs to run.
    pub frontier: Vec<FrontierEntry>,
}

/// Numbers of derivations and outputs.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Counts {
    /// Derivations of the target alone, of all kinds.
    pub full_derivations: usize,
    /// Their outputs: what an image with everything holds.
    pub full_outputs: usize,
    /// The sources among the derivations.
    pub full_sources: usize,
    /// Derivations of all variants that are rebuilt where they differ.
    pub glue: usize,
    /// Derivations whose outputs are carried.
    pub frontier_derivations: usize,
    /// Those outputs.
    pub frontier_outputs: usize,
    /// The sources among the carried: none, in nixpkgs 24.05, but fonts of some desktops.
    pub frontier_sources: usize,
}

/// A derivation whose outputs are on the image.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct FrontierEntry {
    /// Its .drv file.
    pub drv: String,
    /// The outputs that are needed, by name.
    pub outputs: BTreeMap<String, String>,
    /// The names of the variants that need it.
    pub variants: Vec<String>,
    /// The glue that needs it first.
    pub needed_by: String,
    /// Why it is not rebuilt itself.
    pub because: Leaf,
}

impl ImageClosure {
    /// Of the roots, by name. `trees` are the store paths of the configuration.
    ///
    /// # Errors
    /// When a .drv file cannot be read; when a package changes with the place of the tree, so that no image could hold it.
    pub fn of(roots: &[(String, PathBuf)], trees: &[String]) -> Result<Self> {
        let mut paths = Vec::with_capacity(roots.len());
        for (_, path) in roots {
            paths.push(
                path.to_str()
                    .with_context(|| format!("{} is not UTF-8", path.display()))?,
            );
        }
        let trees: Vec<_> = trees.iter().map(memmem::Finder::new).collect();
        let mut naming = Vec::new();
        let graph = Graph::read_with(&paths, |path| {
            let bytes = fs::read(path).with_context(|| format!("Failed to read {path}"))?;
            if trees.iter().any(|tree| tree.find(&bytes).is_some()) {
                naming.push(path.to_owned());
            }
            Ok(bytes)
        })?;
        let naming = naming.iter().filter_map(|path| graph.find(path)).collect();
        let names: Vec<&str> = roots.iter().map(|(name, _)| name.as_str()).collect();
        let mut closure = of_graph(&graph, &names, naming)?;
        closure.roots = roots.iter().cloned().collect();
        Ok(closure)
    }
}

/// The closure of a graph whose roots have `names`. The derivations `naming` have the configuration's own store path in them.
fn of_graph(graph: &Graph, names: &[&str], naming: Vec<Id>) -> Result<ImageClosure> {
    let kinds = Leaves::new(graph);
    let found: Vec<(&str, Frontier)> = names
        .iter()
        .zip(graph.roots())
        .map(|(&name, &root)| (name, frontier(graph, &kinds, &[root])))
        .collect();
    refuse_moved(graph, &found, &moved(graph, naming))?;
    let mut carried: BTreeMap<Id, FrontierEntry> = BTreeMap::new();
    let mut glue: Vec<Id> = Vec::new();
    for (name, frontier) in &found {
        glue.extend(frontier.glue.keys());
        for (id, outputs) in &frontier.outputs {
            let node = &graph.nodes()[*id];
            let one = carried.entry(*id).or_insert_with(|| FrontierEntry {
                drv: node.path.to_string(),
                outputs: BTreeMap::new(),
                variants: Vec::new(),
                needed_by: frontier
                    .needed_by
                    .get(id)
                    .map(|by| store_name(&graph.nodes()[*by].path))
                    .unwrap_or_default(),
                because: kinds.leaf(*id).unwrap_or(Leaf::NoStdenv),
            });
            one.variants.push((*name).to_owned());
            for output in node.outputs.iter().filter(|output| outputs.contains(&output.name)) {
                if output.path.is_empty() {
                    bail!(
                        "{} is content-addressed, and its path is not known before it is built",
                        node.path
                    );
                }
                one.outputs.insert(output.name.to_string(), output.path.to_string());
            }
        }
    }
    glue.sort_unstable();
    glue.dedup();
    let full = names
        .iter()
        .position(|name| *name == TARGET)
        .map_or_else(Vec::new, |at| graph.below(graph.roots()[at]));
    let counts = Counts {
        full_derivations: full.len(),
        full_outputs: full.iter().map(|id| graph.nodes()[*id].outputs.len()).sum(),
        full_sources: full.iter().filter(|id| graph.nodes()[**id].fixed).count(),
        glue: glue.len(),
        frontier_derivations: carried.len(),
        frontier_outputs: carried.values().map(|one| one.outputs.len()).sum(),
        frontier_sources: carried.values().filter(|one| one.because == Leaf::FixedOutput).count(),
    };
    let mut frontier: Vec<FrontierEntry> = carried.into_values().collect();
    // The ISO is made in this order, which one more variant must not change.
    frontier.sort_by(|one, other| one.drv.cmp(&other.drv));
    Ok(ImageClosure {
        roots: BTreeMap::new(),
        counts,
        frontier,
    })
}

/// `naming`, and the derivations that need one of them: their outputs are elsewhere when the configuration is. The output of a
/// source is not.
fn moved(graph: &Graph, naming: Vec<Id>) -> HashSet<Id> {
    let mut users = vec![Vec::new(); graph.len()];
    for (id, node) in graph.nodes().iter().enumerate() {
        for (input, _) in &node.inputs {
            users[*input].push(id);
        }
    }
    let mut moved = HashSet::new();
    let mut queue = naming;
    while let Some(id) = queue.pop() {
        if !graph.nodes()[id].fixed && moved.insert(id) {
            queue.extend(&users[id]);
        }
    }
    moved
}

/// Refuses packages that are made from the configuration's own store path (`"${self}/…"`): on the target that path is
/// another, because its hardware configuration is, so they would have to be compiled there.
fn refuse_moved(graph: &Graph, found: &[(&str, Frontier)], moved: &HashSet<Id>) -> Result<()> {
    let Some((_, target)) = found.iter().find(|(name, _)| *name == TARGET) else {
        return Ok(());
    };
    let moved: Vec<String> = target
        .outputs
        .keys()
        .filter(|id| moved.contains(id))
        .map(|id| {
            let by = target
                .needed_by
                .get(id)
                .map(|by| store_name(&graph.nodes()[*by].path))
                .unwrap_or_default();
            format!("  {}, for {by}", store_name(&graph.nodes()[*id].path))
        })
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    bail!(
        "These packages are built from files of the configuration through its own store path (`self`):\n{}\nThat path is \
         different on every machine, so they would have to be compiled there. Refer to the files directly (`./directory` \
         instead of \"${{self}}/directory\").",
        moved.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::graph::tests::{Description, describe, drv, out};

    /// A system and a variant that share glue. The motd of the system needs `extra`, which is made with `site`.
    fn graph(extra: &'static str) -> Graph {
        let glue = |name, needs: &[&str]| -> Description<'static> {
            let needs = needs.iter().chain([&"stdenv-linux"]).map(ToString::to_string).collect();
            (name, false, vec![("stdenv", out("stdenv-linux"))], needs)
        };
        describe(
            &[
                glue("system", &["etc", "motd"]),
                glue("system-zfs", &["etc", "zfs!dev"]),
                glue("etc", &["bash"]),
                glue("motd", &[extra]),
                ("bash", false, vec![], vec!["bash.tar".into()]),
                ("zfs", false, vec![], vec![]),
                ("bash.tar", true, vec![], vec![]),
                ("stdenv-linux", false, vec![], vec![]),
                glue("text", &["site"]),
                ("site", false, vec![], vec![]),
                ("program", false, vec![], vec!["site".into()]),
                ("site.tar", true, vec![], vec!["site".into()]),
            ],
            &["system", "system-zfs"],
        )
    }

    const NAMES: [&str; 2] = [TARGET, "zfs"];

    /// The closure, where the derivations `naming` have the path of the tree in them.
    fn closure(extra: &'static str, naming: &[&str]) -> Result<ImageClosure> {
        let graph = graph(extra);
        let naming = naming.iter().map(|name| graph.find(&drv(name)).unwrap()).collect();
        of_graph(&graph, &NAMES, naming)
    }

    #[test]
    fn every_output_is_there_once_with_the_variants_that_need_it() {
        let closure = closure("bash", &[]).unwrap();
        let zfs = closure
            .frontier
            .iter()
            .find(|one| one.drv.ends_with("-zfs.drv"))
            .unwrap();
        assert_eq!(zfs.variants, ["zfs"]);
        assert_eq!(zfs.outputs["dev"], "/nix/store/h-zfs-dev");
        assert_eq!(zfs.needed_by, "system-zfs");
        let bash = closure
            .frontier
            .iter()
            .find(|one| one.drv.ends_with("-bash.drv"))
            .unwrap();
        assert_eq!(bash.variants, NAMES);
        assert_eq!(
            closure.counts,
            Counts {
                full_derivations: 6,
                full_outputs: 12,
                full_sources: 1,
                glue: 4,
                frontier_derivations: 3,
                frontier_outputs: 3,
                frontier_sources: 0,
            }
        );
    }

    #[test]
    fn a_package_that_changes_with_the_place_of_the_tree_is_refused_by_name() {
        for (extra, naming) in [("site", "site"), ("program", "site")] {
            let error = closure(extra, &[naming]).unwrap_err().to_string();
            assert!(error.contains(&format!("  {extra}, for motd\n")), "{error}");
        }
    }

    #[test]
    fn text_that_names_the_tree_a_source_made_with_it_and_another_tree_are_no_such_packages() {
        for (extra, naming) in [
            ("site", "motd"),
            ("text", "text"),
            ("site.tar", "site.tar"),
            ("site.tar", "site"),
        ] {
            closure(extra, &[naming]).unwrap();
        }
        closure("site", &[]).unwrap();
    }

    #[test]
    fn the_path_of_the_tree_is_found_in_the_text_of_a_derivation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("h-system.drv");
        let text = r#"Derive([("out","/nix/store/h-system","","")],[],[],"x86_64-linux","/bin/sh",[],[("text","/nix/store/h-tree/motd")])"#;
        fs::write(&path, text).unwrap();
        let roots = [(TARGET.to_owned(), path)];
        let of = |tree: &str| ImageClosure::of(&roots, &[tree.to_owned()]);
        assert!(
            of("/nix/store/h-tree")
                .unwrap_err()
                .to_string()
                .contains("  system, for")
        );
        assert_eq!(of("/nix/store/h-other").unwrap().counts.frontier_outputs, 1);
    }
}
