//! `nix-cfg-iso why`: why a store path is on an image.

use std::collections::{BTreeSet, HashMap, VecDeque};

use anyhow::Result;

use super::image_contents::{ImageOutput, valid_records};
use crate::diagnostic::{Diagnostic, IsoImageProblem};
use crate::process::Runner;
use crate::store::database::Record;
use crate::store::frontier::Leaf;
use crate::store::graph::{Graph, Id};
use crate::store_path::store_name;

/// The reasons, one a line. `path` is a store path, or something in one.
///
/// # Errors
/// A [`Diagnostic`] when the image has no such path, or `path` is none; others when the image cannot be evaluated or the store
/// not be read.
pub fn why(runner: &Runner, flake: &ImageOutput, path: &str) -> Result<Vec<String>> {
    let path = whole(path).ok_or_else(|| Diagnostic::from(IsoImageProblem::NotAStorePath { path: path.to_owned() }))?;
    let image = flake.image(runner)?;
    let mut reasons = Vec::new();
    for closure in &image.closures {
        for one in closure
            .frontier
            .iter()
            .filter(|one| one.outputs.values().any(|output| output == path))
        {
            let reason = format!(
                "needed to rebuild {} for {}; it is carried because {}",
                one.needed_by,
                list(&one.variants),
                because(one.because)
            );
            // Hosts that are made of the same packages share it.
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    let carried = image
        .closures
        .iter()
        .flat_map(|closure| &closure.frontier)
        .flat_map(|one| one.outputs.values());
    let roots: [(&str, BTreeSet<&str>); 4] = [
        (
            "the installed system",
            image.toplevels.iter().map(String::as_str).collect(),
        ),
        ("what is needed to rebuild it", carried.map(String::as_str).collect()),
        ("the live system", BTreeSet::from([image.live.as_str()])),
        (
            "the sources and paths that were added",
            image.others.iter().map(String::as_str).collect(),
        ),
    ];
    for (what, roots) in &roots {
        let (records, _) = valid_records(runner, roots)?;
        if let Some(chain) = chain(&records, roots, path) {
            reasons.push(format!("needed to run {what}: {}", chain.join(" → ")));
        }
    }
    if reasons.is_empty() {
        for drv in &image.drvs {
            let graph = Graph::load(&[drv])?;
            if let Some(chain) = built_from(&graph, path) {
                reasons.push(format!(
                    "part of what the installed system is built from: {}. Whether it is on the image is known when that is built",
                    chain.join(" → ")
                ));
            }
        }
    }
    if reasons.is_empty() {
        return Err(IsoImageProblem::NotOnImage { path: path.to_owned() }.into());
    }
    Ok(reasons)
}

/// The store path that `path` is, or is in.
fn whole(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/nix/store/")?;
    let name = rest.split('/').next().filter(|name| name.len() > 33)?;
    path.get(.."/nix/store/".len() + name.len())
}

fn list(variants: &[String]) -> String {
    match variants {
        [only] => format!("the variant {only}"),
        several => format!("the variants {}", several.join(", ")),
    }
}

fn because(leaf: Leaf) -> &'static str {
    match leaf {
        Leaf::FixedOutput => "it comes from a network",
        Leaf::NoStdenv => "how it is built is not known",
        Leaf::Compiled => "building it takes a compiler",
        Leaf::Unpacks => "building it takes a source",
        Leaf::Toolchain => "building it takes a compiler's own parts",
        Leaf::Firmware => "building it takes all the firmware, uncompressed",
    }
}

/// The names on the way by references from one of `roots` to `path`.
fn chain(records: &[Record], roots: &BTreeSet<&str>, path: &str) -> Option<Vec<String>> {
    let references: HashMap<&str, &Vec<String>> = records
        .iter()
        .map(|record| (record.path.as_str(), &record.references))
        .collect();
    let start: Vec<&str> = roots
        .iter()
        .copied()
        .filter(|root| references.contains_key(root))
        .collect();
    let next = |at: &str| {
        references
            .get(at)
            .map(|paths| paths.iter().map(String::as_str).collect())
            .unwrap_or_default()
    };
    let found = shortest(&start, path, next)?;
    Some(found.into_iter().map(store_name).collect())
}

/// The names on the way by inputs from the root to what makes `path`.
fn built_from(graph: &Graph, path: &str) -> Option<Vec<String>> {
    let maker = graph.makers().get(path).copied().or_else(|| graph.find(path))?;
    let next = |id: Id| graph.nodes()[id].inputs.iter().map(|(input, _)| *input).collect();
    let found = shortest(graph.roots(), maker, next)?;
    Some(
        found
            .into_iter()
            .map(|id| store_name(&graph.nodes()[id].path))
            .collect(),
    )
}

/// The shortest way from one of `start` to `goal`, both included.
fn shortest<T: Copy + Eq + std::hash::Hash>(start: &[T], goal: T, next: impl Fn(T) -> Vec<T>) -> Option<Vec<T>> {
    let mut came: HashMap<T, Option<T>> = start.iter().map(|&root| (root, None)).collect();
    let mut queue: VecDeque<T> = start.iter().copied().collect();
    while let Some(at) = queue.pop_front() {
        if at == goal {
            let mut way = vec![at];
            while let Some(Some(before)) = way.last().and_then(|last| came.get(last)) {
                way.push(*before);
            }
            way.reverse();
            return Some(way);
        }
        for one in next(at) {
            came.entry(one).or_insert_with(|| {
                queue.push_back(one);
                Some(at)
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_path_is_the_shortest_one() {
        let record = |path: &str, references: &[&str]| Record {
            path: format!("/nix/store/{}-{path}", "h".repeat(32)),
            nar_hash: String::new(),
            nar_size: 0,
            deriver: String::new(),
            references: references
                .iter()
                .map(|name| format!("/nix/store/{}-{name}", "h".repeat(32)))
                .collect(),
        };
        let records = [
            record("system", &["system", "etc", "bash"]),
            record("etc", &["glibc"]),
            record("bash", &["glibc"]),
            record("glibc", &[]),
        ];
        let root = BTreeSet::from([records[0].path.as_str()]);
        let way = |name: usize| chain(&records, &root, &records[name].path).unwrap();
        assert_eq!(way(3), ["system", "etc", "glibc"]);
        assert_eq!(way(0), ["system"]);
        assert_eq!(chain(&records, &root, "/nix/store/other"), None);
    }

    #[test]
    fn something_in_a_store_path_stands_for_it() {
        let path = format!("/nix/store/{}-bash", "h".repeat(32));
        assert_eq!(whole(&format!("{path}/bin/bash")), Some(path.as_str()));
        assert_eq!(whole(&path), Some(path.as_str()));
        assert_eq!(whole("/nix/store/x"), None);
        assert_eq!(whole("/etc/passwd"), None);
    }
}
