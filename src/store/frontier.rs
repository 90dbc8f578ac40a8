//! What an image must hold to rebuild a system for other machines (docs/closure.md). *Glue* is what is rebuilt: derivations
//! that only put finished packages together. The *frontier* is what glue needs and is not glue itself. An image that holds
//! the frontier can rebuild all glue, without a source and without a compiler.
//!
//! Three things hold for every graph (tests below): nothing in the frontier is glue; every input of glue is glue or in the
//! frontier; no fixed-output derivation is left to be built.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::graph::{Graph, Id};
use crate::store_path::{containing, store_name};

/// Why a derivation is not glue, so that its outputs must be on the image. Measured on nixpkgs 24.05.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaf {
    /// It is a source, which only a network has.
    FixedOutput,
    /// No standard environment builds it, or an unknown one: what building it needs is not known.
    NoStdenv,
    /// A compiler builds it.
    Compiled,
    /// It unpacks the output of another derivation: a package that needs no compiler. A plain store path as `src` does not
    /// count: stage-1-init.sh and install-grub.pl have one, and differ between machines.
    Unpacks,
    /// A compiler wrapper or a standard environment: glue by the other rules, but rebuilding it would need a compiler.
    Toolchain,
    /// Compressed firmware: glue by the other rules, but rebuilding it would need all of the uncompressed firmware.
    Firmware,
}

/// The glue below some roots, and its frontier.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// The glue, each with the glue that needs it first (none for a root).
    pub glue: BTreeMap<Id, Option<Id>>,
    /// The frontier: names of outputs, by their derivations.
    pub outputs: BTreeMap<Id, BTreeSet<Box<str>>>,
    /// The glue that needs each derivation of the frontier first.
    pub needed_by: HashMap<Id, Id>,
}

/// Which derivations of a graph are not glue.
pub struct Leaves<'a> {
    graph: &'a Graph,
    makers: HashMap<&'a str, Id>,
}

impl<'a> Leaves<'a> {
    /// Of `graph`.
    #[must_use]
    pub fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            makers: graph.makers(),
        }
    }

    /// Why `id` is not glue; `None` when it is.
    #[must_use]
    pub fn leaf(&self, id: Id) -> Option<Leaf> {
        let node = &self.graph.nodes()[id];
        if node.fixed {
            return Some(Leaf::FixedOutput);
        }
        let name = store_name(&node.path);
        if is_wrapper(&name) || is_stdenv(&name) {
            return Some(Leaf::Toolchain);
        }
        // `compressFirmwareZstd` and, for old kernels, `compressFirmwareXz`.
        if name.ends_with("-zstd") || name.ends_with("-xz") {
            return Some(Leaf::Firmware);
        }
        let Some(&stdenv) = node.stdenv.as_deref().and_then(|stdenv| self.makers.get(stdenv)) else {
            return Some(Leaf::NoStdenv);
        };
        let tools = &self.graph.nodes()[stdenv].tools;
        if tools.iter().any(|tool| is_wrapper(&store_name(tool))) {
            return Some(Leaf::Compiled);
        }
        let made = |source: &String| self.maker(source).is_some();
        node.unpacks.iter().any(made).then_some(Leaf::Unpacks)
    }

    /// The derivation that makes the store path that `path` is, or is in.
    fn maker(&self, path: &str) -> Option<Id> {
        self.makers.get(containing(path)?).copied()
    }
}

/// A wrapper around a compiler or its binutils: `gcc-wrapper-13.2.0`, `bootstrap-stage1-gcc-wrapper-`,
/// `x86_64-unknown-linux-musl-nolibc-gcc-wrapper-13.2.0`.
fn is_wrapper(name: &str) -> bool {
    ["gcc-wrapper", "clang-wrapper", "cc-wrapper", "binutils-wrapper"]
        .iter()
        .any(|wrapper| name.contains(wrapper))
}

/// `stdenv-linux`, both with and without a compiler; `bootstrap-stage1-stdenv-linux`.
fn is_stdenv(name: &str) -> bool {
    name.ends_with("stdenv-linux")
}

/// The frontier below `roots`; `kinds` are those of `graph`. All glue counts, also what no machine changes: Nix does not copy derivations
/// that forbid substitution (`allowSubstitutes`) into another store, it builds them again.
#[must_use]
pub fn frontier(graph: &Graph, kinds: &Leaves<'_>, roots: &[Id]) -> Frontier {
    let mut found = Frontier::default();
    let mut queue = VecDeque::new();
    for &root in roots {
        if kinds.leaf(root).is_none() {
            found.glue.insert(root, None);
            queue.push_back(root);
        } else {
            let outputs = graph.nodes()[root].outputs.iter();
            found
                .outputs
                .insert(root, outputs.map(|output| output.name.clone()).collect());
        }
    }
    while let Some(id) = queue.pop_front() {
        for (input, names) in &graph.nodes()[id].inputs {
            if found.outputs.contains_key(input) || kinds.leaf(*input).is_some() {
                found.outputs.entry(*input).or_default().extend(names.iter().cloned());
                found.needed_by.entry(*input).or_insert(id);
            } else if !found.glue.contains_key(input) {
                found.glue.insert(*input, Some(id));
                queue.push_back(*input);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::graph::tests::{Description, describe, out};

    const NOCC: &str = "stdenv-linux";
    const CC: &str = "full-stdenv-linux";

    /// The standard environments, and with them `more`.
    fn graph(more: &[Description<'static>]) -> Graph {
        let tools = |names: &str| vec![("defaultNativeBuildInputs", names.to_owned())];
        let mut all: Vec<Description<'static>> = vec![
            (NOCC, false, tools("/nix/store/h-patchelf-0.15"), vec!["bash".into()]),
            (
                CC,
                false,
                tools(&format!("/nix/store/h-patchelf-0.15 {}", out("gcc-wrapper-13"))),
                vec!["gcc-wrapper-13".into()],
            ),
            ("gcc-wrapper-13", false, built_by(NOCC), inputs(NOCC, &["gcc"])),
            ("gcc", false, built_by(CC), vec!["gcc.tar".into()]),
            ("gcc.tar", true, vec![], vec![]),
            ("bash", false, vec![], vec![]),
        ];
        all.extend(more.iter().cloned());
        describe(&all, &["system"])
    }

    fn built_by(stdenv: &str) -> Vec<(&'static str, String)> {
        vec![("stdenv", out(stdenv))]
    }

    fn with(stdenv: &str, name: &'static str, value: &str) -> Vec<(&'static str, String)> {
        let mut env = built_by(stdenv);
        env.push((name, value.to_owned()));
        env
    }

    fn inputs(stdenv: &str, names: &[&str]) -> Vec<String> {
        names.iter().chain([&stdenv]).map(ToString::to_string).collect()
    }

    /// The names of the glue, and of the outputs of the frontier.
    fn found(graph: &Graph) -> (Vec<String>, Vec<String>) {
        let found = frontier(graph, &Leaves::new(graph), graph.roots());
        let name = |id: &Id| store_name(&graph.nodes()[*id].path);
        let mut glue: Vec<String> = found.glue.keys().map(name).collect();
        let outputs = found.outputs.iter();
        let mut outputs: Vec<String> = outputs
            .flat_map(|(id, outputs)| outputs.iter().map(move |output| format!("{}!{output}", name(id))))
            .collect();
        glue.sort();
        outputs.sort();
        (glue, outputs)
    }

    /// What becomes of `thing` as the only input of the toplevel.
    fn leaf_of(name: &'static str, fixed: bool, env: Vec<(&'static str, String)>, needs: Vec<String>) -> Option<Leaf> {
        let thing = (name, fixed, env, needs);
        let graph = graph(&[
            ("system", false, built_by(NOCC), inputs(NOCC, &[name])),
            thing,
            ("source.tar", true, vec![], vec![]),
        ]);
        let id = graph.find(&format!("/nix/store/h-{name}.drv")).unwrap();
        Leaves::new(&graph).leaf(id)
    }

    #[test]
    fn text_that_configures_is_glue_and_what_it_needs_is_the_frontier() {
        let graph = graph(&[
            ("system", false, built_by(NOCC), inputs(NOCC, &["etc", "htop"])),
            ("etc", false, built_by(NOCC), inputs(NOCC, &["htop!dev", "bash"])),
            (
                "htop",
                false,
                with(CC, "src", &out("htop.tar")),
                inputs(CC, &["htop.tar"]),
            ),
            ("htop.tar", true, vec![], vec![]),
        ]);
        let (glue, outputs) = found(&graph);
        assert_eq!(glue, ["etc", "system"]);
        assert_eq!(outputs, ["bash!out", "htop!dev", "htop!out", "stdenv-linux!out"]);
    }

    #[test]
    fn a_root_that_is_no_glue_is_carried_whole() {
        let graph = graph(&[("system", false, built_by(CC), inputs(CC, &[]))]);
        assert_eq!(found(&graph), (vec![], vec!["system!dev".into(), "system!out".into()]));
    }

    #[test]
    fn a_fixed_output_is_not_glue_even_without_a_compiler() {
        // cantarell-fonts, fetched by a plain stdenvNoCC derivation.
        assert_eq!(
            leaf_of("fonts", true, built_by(NOCC), inputs(NOCC, &[])),
            Some(Leaf::FixedOutput)
        );
        assert_eq!(leaf_of("fonts", false, built_by(NOCC), inputs(NOCC, &[])), None);
    }

    #[test]
    fn what_a_compiler_builds_is_not_glue_even_without_a_source() {
        // security-wrapper-sudo: its program is a plain file of nixpkgs.
        assert_eq!(
            leaf_of("wrapper", false, built_by(CC), inputs(CC, &[])),
            Some(Leaf::Compiled)
        );
    }

    #[test]
    fn without_a_known_standard_environment_nothing_is_glue() {
        assert_eq!(leaf_of("bootstrap-tools", false, vec![], vec![]), Some(Leaf::NoStdenv));
        assert_eq!(
            leaf_of("odd", false, built_by("elsewhere"), vec![]),
            Some(Leaf::NoStdenv)
        );
    }

    #[test]
    fn a_source_that_another_derivation_made_is_unpacked_and_a_plain_one_is_configuration() {
        let needs = || inputs(NOCC, &["source.tar"]);
        for name in ["src", "srcs"] {
            let inside = format!("{}/folder", out("source.tar"));
            for made in [
                out("source.tar"),
                inside,
                format!("/nix/store/h-plain {}", out("source.tar")),
            ] {
                assert_eq!(
                    leaf_of("tzdata", false, with(NOCC, name, &made), needs()),
                    Some(Leaf::Unpacks),
                    "{made}"
                );
            }
            // stage-1-init.sh and install-grub.pl; this rule was once "has no src", and covered no machine at all.
            assert_eq!(
                leaf_of(
                    "stage-1-init.sh",
                    false,
                    with(NOCC, name, "/nix/store/h-stage-1.sh"),
                    needs()
                ),
                None
            );
        }
        // A source that is only an input, as patches are, does not make a package.
        assert_eq!(leaf_of("patched.conf", false, built_by(NOCC), needs()), None);
    }

    #[test]
    fn wrappers_and_standard_environments_are_carried_or_the_compiler_would_be_rebuilt() {
        for name in [
            "gcc-wrapper-14",
            "binutils-wrapper-2.41",
            "musl-nolibc-gcc-wrapper-13",
            "clang-wrapper-17",
            "bootstrap-stage0-stdenv-linux",
        ] {
            assert_eq!(
                leaf_of(name, false, built_by(NOCC), inputs(NOCC, &[])),
                Some(Leaf::Toolchain),
                "{name}"
            );
        }
    }

    #[test]
    fn compressed_firmware_is_carried_or_all_the_uncompressed_would_be() {
        for name in ["linux-firmware-20241017-zstd", "linux-firmware-20240513-xz"] {
            assert_eq!(
                leaf_of(name, false, built_by(NOCC), inputs(NOCC, &[])),
                Some(Leaf::Firmware),
                "{name}"
            );
        }
        assert_eq!(leaf_of("firmware", false, built_by(NOCC), inputs(NOCC, &[])), None);
    }

    /// A graph of `kinds.len()` derivations of all kinds; each may need those after it.
    fn generated(kinds: &[(u8, Vec<usize>)]) -> Graph {
        let names: Vec<String> = kinds
            .iter()
            .enumerate()
            .map(|(at, (kind, _))| match kind {
                _ if at == 0 => "system".to_owned(),
                4 => format!("n{at}-gcc-wrapper-13"),
                5 => format!("n{at}-zstd"),
                _ => format!("n{at}"),
            })
            .collect();
        let last = kinds.len() - 1;
        let mut all: Vec<Description<'_>> = Vec::new();
        for (at, (kind, picks)) in kinds.iter().enumerate() {
            let stdenv = if *kind == 1 { CC } else { NOCC };
            let after = |pick: &usize| at + 1 + pick % (last - at);
            let picked: Vec<usize> = if at == last {
                vec![]
            } else {
                picks.iter().map(after).collect()
            };
            let mut needs: Vec<String> = picked
                .iter()
                .map(|&pick| format!("{}{}", names[pick], if pick % 3 == 0 { "!dev" } else { "" }))
                .collect();
            needs.push(stdenv.into());
            needs.dedup_by(|a, b| a.split('!').next() == b.split('!').next());
            let env = match (kind, picked.first()) {
                (2, _) => vec![],
                (3, Some(&source)) => with(stdenv, "src", &out(&names[source])),
                _ => built_by(stdenv),
            };
            all.push((&names[at], *kind == 0 && at > 0, env, needs));
        }
        let tools = |names: &str| vec![("defaultNativeBuildInputs", names.to_owned())];
        all.push((NOCC, false, tools("/nix/store/h-patchelf"), vec![]));
        all.push((CC, false, tools("/nix/store/h-gcc-wrapper-13"), vec![]));
        describe(&all, &["system"])
    }

    proptest! {
        #[test]
        fn the_invariants_hold_for_every_graph(
            kinds in proptest::collection::vec((0_u8..12, proptest::collection::vec(any::<usize>(), 0..5)), 1..60)
        ) {
            let graph = generated(&kinds);
            let kinds = Leaves::new(&graph);
            let found = frontier(&graph, &kinds, graph.roots());
            for id in found.outputs.keys() {
                prop_assert!(kinds.leaf(*id).is_some(), "{} in the frontier is glue", graph.nodes()[*id].path);
                prop_assert!(!found.glue.contains_key(id));
            }
            for id in found.glue.keys() {
                prop_assert!(!graph.nodes()[*id].fixed);
                for (input, names) in &graph.nodes()[*id].inputs {
                    let carried = found.outputs.get(input);
                    let carried = carried.is_some_and(|outputs| names.iter().all(|name| outputs.contains(name)));
                    prop_assert!(carried || found.glue.contains_key(input), "{} is neither", graph.nodes()[*input].path);
                }
            }
            // With nothing but the frontier, everything that is left to be built is glue, and nothing is missing.
            let there = found.outputs.iter().flat_map(|(id, names)| {
                let outputs = graph.nodes()[*id].outputs.iter();
                outputs.filter(|output| names.contains(&output.name)).map(|output| output.path.to_string())
            });
            let mut invalid: BTreeSet<String> =
                graph.nodes().iter().flat_map(|node| &node.outputs).map(|output| output.path.to_string()).collect();
            for path in there {
                invalid.remove(&path);
            }
            let work = graph.work(&invalid);
            prop_assert_eq!(&work.missing, &[]);
            let glue: BTreeSet<String> = found.glue.keys().map(|id| store_name(&graph.nodes()[*id].path)).collect();
            prop_assert_eq!(work.build.into_iter().collect::<BTreeSet<_>>(), glue);
        }
    }
}
