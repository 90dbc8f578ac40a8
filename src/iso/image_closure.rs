//! What an image must hold, as JSON: for nix/closure.nix, which makes store paths of it, and for people who ask why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::store::frontier::{Frontier, Leaf, Leaves, frontier};
use crate::store::graph::{Graph, Id};
use crate::store_path::store_name;

/// The name of the root that is the installed system itself.
pub const TARGET: &str = "target";
/// The name of the root that is the same system, from a tree at another store path.
pub const RELOCATED: &str = "relocated";

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
    /// Of the roots, by name.
    ///
    /// # Errors
    /// When a .drv file cannot be read; when a package changes with the place of the tree, so that no image could hold it.
    pub fn of(roots: &[(String, PathBuf)]) -> Result<Self> {
        let paths: Vec<&PathBuf> = roots.iter().map(|(_, path)| path).collect();
        let graph = Graph::load(&paths)?;
        let names: Vec<&str> = roots.iter().map(|(name, _)| name.as_str()).collect();
        let mut closure = of_graph(&graph, &names)?;
        closure.roots = roots.iter().cloned().collect();
        Ok(closure)
    }
}

/// The closure of a graph whose roots have `names`.
fn of_graph(graph: &Graph, names: &[&str]) -> Result<ImageClosure> {
    let kinds = Leaves::new(graph);
    let found: Vec<(&str, Frontier)> = names
        .iter()
        .zip(graph.roots())
        .map(|(&name, &root)| (name, frontier(graph, &kinds, &[root])))
        .collect();
    refuse_relocated(graph, &found)?;
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
    Ok(ImageClosure {
        roots: BTreeMap::new(),
        counts,
        frontier: carried.into_values().collect(),
    })
}

/// Refuses packages that are made from the configuration's own store path (`"${self}/…"`): on the target that path is
/// another, because its hardware configuration is, so they would have to be compiled there.
fn refuse_relocated(graph: &Graph, found: &[(&str, Frontier)]) -> Result<()> {
    let Some((_, relocated)) = found.iter().find(|(name, _)| *name == RELOCATED) else {
        return Ok(());
    };
    let known = |id: &&Id| {
        found
            .iter()
            .any(|(name, other)| *name != RELOCATED && other.outputs.contains_key(id))
    };
    let moved: Vec<String> = relocated
        .outputs
        .keys()
        .filter(|id| !known(id))
        .map(|id| {
            let by = relocated
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
    use crate::store::graph::tests::{Description, describe, out};

    /// Two variants that share glue, and the relocated system, whose motd needs `extra`.
    fn graph(extra: &'static str) -> Graph {
        let glue = |name, needs: &[&str]| -> Description<'static> {
            let needs = needs.iter().chain([&"stdenv-linux"]).map(ToString::to_string).collect();
            (name, false, vec![("stdenv", out("stdenv-linux"))], needs)
        };
        describe(
            &[
                glue("system", &["etc"]),
                glue("system-zfs", &["etc", "zfs!dev"]),
                glue("system-relocated", &["etc", "motd"]),
                glue("etc", &["bash"]),
                glue("motd", &[extra]),
                ("bash", false, vec![], vec!["bash.tar".into()]),
                ("zfs", false, vec![], vec![]),
                ("bash.tar", true, vec![], vec![]),
                ("stdenv-linux", false, vec![], vec![]),
                ("site", false, vec![], vec![]),
            ],
            &["system", "system-zfs", "system-relocated"],
        )
    }

    const NAMES: [&str; 3] = [TARGET, "zfs", RELOCATED];

    #[test]
    fn every_output_is_there_once_with_the_variants_that_need_it() {
        let closure = of_graph(&graph("bash"), &NAMES).unwrap();
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
                full_derivations: 5,
                full_outputs: 10,
                full_sources: 1,
                glue: 5,
                frontier_derivations: 3,
                frontier_outputs: 3,
                frontier_sources: 0,
            }
        );
    }

    #[test]
    fn a_package_that_changes_with_the_place_of_the_tree_is_refused_by_name() {
        let error = of_graph(&graph("site"), &NAMES).unwrap_err().to_string();
        assert!(error.contains("  site, for motd\n"), "{error}");
    }
}
