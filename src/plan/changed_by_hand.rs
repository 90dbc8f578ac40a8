//! The configuration as it was installed, as it is on the machine, and as it is on the ISO.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::collector::Found;
use super::request::{LiveSystem, Request};
use crate::diagnostic::UpdateProblem;
use crate::files::remove;
use crate::tree::fingerprint::{self, Fingerprint, Side};

/// Files that were changed by hand and stay as they are on the machine: what the ISO has in their place, in the form of [`Fingerprint`].
pub type KeptByHand = BTreeMap<String, Option<String>>;

/// Compares the configuration at `root`, which is to be installed, with that of the machine. Where files were changed by hand, the side
/// that was asked for counts.
pub(super) fn settle(
    request: &Request,
    live: &LiveSystem<'_>,
    root: &Path,
    found: &mut Found<'_>,
) -> Result<KeptByHand> {
    let mut kept = KeptByHand::new();
    let Some(update) = &request.update else { return Ok(kept) };
    let etc_nixos = request.target.etc_nixos();
    let (mine, new) = (fingerprint::of(&etc_nixos)?, fingerprint::of(root)?);
    let edits = edits(update.receipt.tree.as_ref(), &mine, &new);
    if edits.is_empty() {
        return Ok(kept);
    }
    let lines = edits.iter().map(|edit| edit.line.clone());
    match update.take {
        None => {
            let files = lines.collect();
            found.add(UpdateProblem::ChangedByHand { files }.into());
        }
        Some(Side::New) => live.report.note(&format!(
            "Taken from the ISO, and kept as it was in nixos.before-TIME: {}.",
            lines.collect::<Vec<_>>().join(", ")
        )),
        Some(Side::Mine) => {
            for name in edits.iter().map(|edit| edit.name) {
                if mine.contains_key(name) && etc_nixos.join(name).symlink_metadata().is_err() {
                    let name = name.to_owned();
                    found.add(UpdateProblem::NotTaken { name }.into());
                    continue;
                }
                take(&etc_nixos.join(name), &root.join(name))
                    .with_context(|| format!("Failed to take {name} from {}", etc_nixos.display()))?;
                kept.insert(name.to_owned(), new.get(name).cloned());
            }
            let lines: Vec<String> = lines.collect();
            live.report
                .note(&format!("Taken from this machine: {}.", lines.join(", ")));
        }
    }
    Ok(kept)
}

/// What the next update compares with: the files of the `snapshot`, which is installed, and of those that were kept by hand the ISO's. They
/// still are changes by hand, which it asks for again.
///
/// # Errors
/// When one cannot be read.
pub fn as_placed(snapshot: &Path, kept: &KeptByHand) -> Result<Fingerprint> {
    let mut tree = fingerprint::of(snapshot)?;
    for (name, on_iso) in kept {
        match on_iso {
            Some(file) => tree.insert(name.clone(), file.clone()),
            None => tree.remove(name),
        };
    }
    Ok(tree)
}

/// Puts the file or link `mine` in the place of `new`; removes that where there is none.
fn take(mine: &Path, new: &Path) -> Result<()> {
    remove(new)?;
    let Ok(meta) = fs::symlink_metadata(mine) else {
        return Ok(());
    };
    new.parent().map_or(Ok(()), fs::create_dir_all)?;
    if meta.is_symlink() {
        return Ok(std::os::unix::fs::symlink(fs::read_link(mine)?, new)?);
    }
    Ok(fs::copy(mine, new).map(drop)?)
}

/// A file that was changed on the machine, and differs from the one on the ISO.
struct Edit<'a> {
    name: &'a str,
    /// Its name, and what happened to it.
    line: String,
}

/// The changes that were made by hand. Without what was `installed`, every difference may be one.
fn edits<'a>(installed: Option<&'a Fingerprint>, mine: &'a Fingerprint, new: &'a Fingerprint) -> Vec<Edit<'a>> {
    let nothing = Fingerprint::new();
    let base = installed.unwrap_or(&nothing);
    let names: BTreeSet<&'a String> = mine
        .keys()
        .chain(new.keys())
        .chain(installed.into_iter().flat_map(|tree| tree.keys()))
        .collect();
    let edit = |name: &'a String| {
        let (base, mine, new) = (base.get(name), mine.get(name), new.get(name));
        let by_hand = if installed.is_some() {
            mine != base
        } else {
            mine.is_some()
        };
        if !by_hand || mine == new {
            return None;
        }
        let here = match (base, mine) {
            (_, None) => "removed here",
            (None, _) if installed.is_none() => "differs, and it is not known what was installed",
            (None, _) => "added here",
            _ => "changed here",
        };
        let there = match (base == new, new) {
            (true, _) => "",
            (_, None) => ", removed on the ISO",
            _ if installed.is_none() => "",
            _ => ", changed on the ISO as well",
        };
        Some(Edit {
            name,
            line: format!("{name} ({here}{there})"),
        })
    };
    names.into_iter().filter_map(edit).collect()
}

/// The files in `etc_nixos` that were changed by hand since they were `installed`, where that is known.
///
/// # Errors
/// When one cannot be read.
pub fn changed_by_hand(installed: Option<&Fingerprint>, etc_nixos: &Path) -> Result<Vec<String>> {
    let Some(installed) = installed else {
        return Ok(Vec::new());
    };
    let mine = fingerprint::of(etc_nixos)?;
    let edits = edits(Some(installed), &mine, installed);
    Ok(edits.into_iter().map(|edit| edit.line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Fingerprint {
        files
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn lines(installed: Option<&Fingerprint>, mine: &Fingerprint, new: &Fingerprint) -> Vec<String> {
        edits(installed, mine, new).into_iter().map(|edit| edit.line).collect()
    }

    #[test]
    fn only_what_was_changed_on_the_machine_and_is_not_the_same_on_the_iso_is_a_conflict() {
        let installed = tree(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("gone", "1")]);
        let mine = tree(&[("a", "1"), ("b", "2"), ("c", "2"), ("d", "2"), ("own", "1")]);
        let new = tree(&[
            ("a", "2"),
            ("b", "1"),
            ("c", "3"),
            ("d", "2"),
            ("gone", "1"),
            ("more", "1"),
        ]);
        assert_eq!(
            lines(Some(&installed), &mine, &new),
            [
                "b (changed here)",
                "c (changed here, changed on the ISO as well)",
                "gone (removed here)",
                "own (added here)"
            ]
        );
        assert!(
            lines(Some(&installed), &installed, &new).is_empty(),
            "nothing was changed by hand"
        );
        assert_eq!(
            lines(
                None,
                &tree(&[("a", "1"), ("b", "1")]),
                &tree(&[("a", "1"), ("b", "2"), ("c", "1")])
            ),
            ["b (differs, and it is not known what was installed)"]
        );
    }
}
