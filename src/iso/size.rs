//! `nix-cfg-iso size`: what an image holds, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;

use super::image_contents::{ImageContents, valid_records};
use crate::process::Runner;
use crate::store::database::Record;
use crate::text::bytes;

/// One part of an image. What several parts need counts for the first.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    name: String,
    paths: usize,
    bytes: u64,
    /// Paths that were asked for and are not built here; what they refer to is not known either.
    unknown: usize,
}

/// The table, of uncompressed sizes: exact for what is in this machine's store, with the number of what is not.
///
/// # Errors
/// When Nix cannot evaluate it.
pub fn table(runner: &Runner, image: &ImageContents) -> Result<String> {
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    for (name, roots) in groups(image) {
        let (records, unknown) = valid_records(runner, &roots)?;
        parts.push(part(name, &records, unknown, &mut seen));
    }
    let mut text = print(&parts);
    if let Some(line) = rebuild(runner, image)? {
        text.push_str(&line);
    }
    for closure in &image.closures {
        let counts = &closure.counts;
        let line = format!(
            "\nThe whole build closure has {} outputs, {} of its derivations are sources. The frontier has {} \
             outputs; the image rebuilds up to {} derivations from them.\n",
            counts.full_outputs, counts.full_sources, counts.frontier_outputs, counts.glue
        );
        // Hosts that are made of the same packages share it.
        if !text.contains(&line) {
            text.push_str(&line);
        }
    }
    text.push_str(&unknown(image));
    Ok(text)
}

/// What nixos-generate-config can write that this version of the program does not know.
fn unknown(image: &ImageContents) -> String {
    let mut text = String::new();
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let _ = writeln!(text, "\n{title}\n  {}", lines.join("\n  "));
        }
    };
    list(
        "Not known to this version, and covered automatically:",
        image.automatic.iter().map(ToString::to_string).collect(),
    );
    list(
        "Not known to this version, and not covered; the installer refuses a machine that has it:",
        image
            .uncovered
            .iter()
            .map(|one| format!("{}: {}", one.feature, one.reason))
            .collect(),
    );
    text
}

/// What `offlineRebuild` leaves on the target, besides the installed system, where all of it is built.
fn rebuild(runner: &Runner, image: &ImageContents) -> Result<Option<String>> {
    if image.kind != "frontier" {
        return Ok(None);
    }
    let mut seen = BTreeSet::new();
    let mut of = |paths: &[String]| -> Result<Part> {
        let (records, unknown) = valid_records(runner, &paths.iter().map(String::as_str).collect())?;
        Ok(part(String::new(), &records, unknown, &mut seen))
    };
    let (system, more) = (of(&image.toplevels)?, of(&image.rebuild)?);
    if system.unknown + more.unknown > 0 || more.paths == 0 {
        return Ok(None);
    }
    Ok(Some(format!(
        "\nWith offlineRebuild, {} paths of it stay on the target besides the system: {}, {} % of the system's own size.\n",
        more.paths,
        bytes(more.bytes),
        100 * more.bytes / system.bytes.max(1)
    )))
}

/// The roots of each part: each system (what it adds to those before it), what all variants need, what only one does, the rest.
fn groups(image: &ImageContents) -> Vec<(String, BTreeSet<&str>)> {
    let systems = image.toplevels.iter().enumerate();
    let mut groups: Vec<(String, BTreeSet<&str>)> = systems
        .map(|(index, system)| {
            let name = match (index, image.hosts.get(index)) {
                (_, None) => "installed system".to_owned(),
                (0, Some(host)) => format!("installed system, {host}"),
                (_, Some(host)) => format!("added by {host}"),
            };
            (name, BTreeSet::from([system.as_str()]))
        })
        .collect();
    let mut shared = BTreeSet::new();
    let mut own: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in image.closures.iter().flat_map(|closure| &closure.frontier) {
        let group = match one.variants.as_slice() {
            [only] => own.entry(only).or_default(),
            _ => &mut shared,
        };
        group.extend(one.outputs.values().map(String::as_str));
    }
    if image.kind != "runtime" {
        groups.push(("frontier, for several variants".to_owned(), shared));
        groups.extend(
            own.into_iter()
                .map(|(name, paths)| (format!("frontier, only for {name}"), paths)),
        );
    }
    groups.push(("live system".to_owned(), BTreeSet::from([image.live.as_str()])));
    groups.push((
        "sources and others".to_owned(),
        image.others.iter().map(String::as_str).collect(),
    ));
    groups
}

fn part(name: String, records: &[Record], unknown: usize, seen: &mut BTreeSet<String>) -> Part {
    let new: Vec<&Record> = records
        .iter()
        .filter(|record| seen.insert(record.path.clone()))
        .collect();
    Part {
        name,
        paths: new.len(),
        bytes: new.iter().map(|record| record.nar_size).sum(),
        unknown,
    }
}

fn print(parts: &[Part]) -> String {
    let total = Part {
        name: "all, before it is compressed".to_owned(),
        paths: parts.iter().map(|part| part.paths).sum(),
        bytes: parts.iter().map(|part| part.bytes).sum(),
        unknown: parts.iter().map(|part| part.unknown).sum(),
    };
    // An automatic variant has the name of what it covers.
    let longest = parts.iter().map(|part| part.name.len()).max().unwrap_or_default();
    let width = longest.max(34) + 2;
    let mut text = format!("{:<width$}{:>8}{:>12}   not built here\n", "what", "paths", "size");
    for part in parts.iter().chain([&total]) {
        let unknown = if part.unknown == 0 {
            String::new()
        } else {
            format!("{}, and what they need", part.unknown)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<width$}{:>8}{:>12}   {unknown}",
            part.name,
            part.paths,
            bytes(part.bytes)
        );
    }
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_two_parts_need_counts_once() {
        let record = |path: &str, nar_size| Record {
            path: path.to_owned(),
            nar_hash: String::new(),
            nar_size,
            deriver: String::new(),
            references: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        let first = part("a".into(), &[record("/x", 1), record("/y", 2)], 0, &mut seen);
        let second = part("b".into(), &[record("/y", 2), record("/z", 4)], 3, &mut seen);
        assert_eq!((first.paths, first.bytes), (2, 3));
        assert_eq!((second.paths, second.bytes), (1, 4));
        let table = print(&[first, second]);
        assert!(table.contains("3, and what they need"), "{table}");
        assert!(table.lines().last().unwrap().starts_with("all"), "{table}");
    }
}
