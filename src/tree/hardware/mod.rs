//! Which file of the tree is this machine's hardware-configuration.nix. docs/settings.md has the rules.

#[cfg(test)]
mod hardware_tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::host_files::{HostFiles, reached_from};
use super::nix_files::{files, literal_paths, nix_files, normal};
use super::source::{CONFIGURATION_NIX, ConfigKind, FLAKE_NIX, HARDWARE_CONFIGURATION};
use crate::diagnostic::{HardwareProblem, NotReplaceable};

/// The file that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Relative to the tree; it need not exist in it.
    pub path: PathBuf,
    /// Why this one: a sentence for the user.
    pub reason: String,
    /// Whether some file of the tree imports it by a path (a static look; Nix decides).
    pub imported: bool,
    /// Why it may be that of another host: a [`HardwareProblem::OtherHost`] (Nix decides).
    pub doubt: Option<HardwareProblem>,
}

/// Chooses the file in the tree at `root`. `named` is the path from the settings or the command line.
///
/// # Errors
/// A [`HardwareProblem`] when several files would do, the host decides and is not known, or `named` leaves the tree.
pub fn choose(root: &Path, kind: ConfigKind, host: Option<&str>, named: Option<&Path>) -> Result<Hardware> {
    let imported = imports(root, HARDWARE_CONFIGURATION);
    let chosen = |path: &Path, reason: &str| {
        Ok(Hardware {
            imported: imported.iter().any(|imported| imported == path),
            path: path.to_owned(),
            reason: reason.to_owned(),
            doubt: None,
        })
    };
    if let Some(path) = named {
        return match normal(path) {
            Some(path) => match not_replaceable(root, &path) {
                Some(because) => Err(HardwareProblem::NotReplaceable { path, because }.into()),
                None => chosen(&path, "it was named"),
            },
            None => Err(HardwareProblem::OutsideTree { path: path.to_owned() }.into()),
        };
    }
    let existing: Vec<PathBuf> = files_named(root, HARDWARE_CONFIGURATION).collect();
    let absent: Vec<PathBuf> = imported
        .iter()
        .filter(|path| !existing.contains(path))
        .cloned()
        .collect();
    let hosts = HostFiles::read(root, host);
    let own_existing = hosts.own(&existing);
    let own_absent = hosts.own(&absent);
    let top = PathBuf::from(HARDWARE_CONFIGURATION);
    // One that nothing imports was left there, or is for another purpose.
    if !existing.iter().any(|file| imported.contains(file))
        && let [one] = wanted(root, kind, &own_absent, &absent).as_slice()
    {
        return chosen(one, "the configuration imports it, and the tree does not have it");
    }
    match (existing.as_slice(), own_existing.as_slice(), own_absent.as_slice()) {
        ([only], own, []) if own.contains(&only) => chosen(only, "it is the only one in the tree"),
        ([], _, [one]) => chosen(one, "the tree imports it and does not have it"),
        ([_, ..], [one], _) => chosen(one, &format!("it belongs to the host {}", host.unwrap_or_default())),
        ([_, ..], [], [one]) => chosen(one, "the host imports it, and the tree does not have it"),
        ([only], [], []) => match hosts.doubt(only, &similar(root)) {
            Some(problem @ HardwareProblem::HostNeeded { .. }) => Err(problem.into()),
            doubt => Ok(Hardware {
                doubt,
                ..chosen(only, "it is the only one in the tree")?
            }),
        },
        ([_, ..], ..) if kind == ConfigKind::Channel => match wanted(root, kind, &[], &existing).as_slice() {
            [one] => chosen(one, "of several, configuration.nix imports this one"),
            _ if existing.contains(&top) => chosen(&top, "it is beside configuration.nix"),
            _ => Err(ambiguous(root, existing)),
        },
        ([_, ..], ..) => Err(ambiguous(root, existing)),
        ([], ..) => match absent.as_slice() {
            [] => chosen(
                &beside_configuration(root, kind),
                "the tree has none, so it is put beside configuration.nix",
            ),
            [one] => chosen(one, "the tree imports it and does not have it"),
            _ => Err(ambiguous(root, absent)),
        },
    }
}

/// Why the file of the tree that was named must not be replaced.
fn not_replaceable(root: &Path, path: &Path) -> Option<NotReplaceable> {
    if root.join(path).is_dir() {
        Some(NotReplaceable::Directory)
    } else if [CONFIGURATION_NIX, FLAKE_NIX]
        .iter()
        .any(|entry| path == Path::new(entry))
    {
        Some(NotReplaceable::Entry)
    } else {
        path.extension()
            .is_none_or(|extension| extension != "nix")
            .then_some(NotReplaceable::NotNix)
    }
}

/// Those of `candidates` that the configuration imports: the host's `own`, or else those that are reached from the file that Nix
/// reads first.
fn wanted(root: &Path, kind: ConfigKind, own: &[&PathBuf], candidates: &[PathBuf]) -> Vec<PathBuf> {
    if candidates.is_empty() || !own.is_empty() {
        return own.iter().copied().cloned().collect();
    }
    let first = match kind {
        ConfigKind::Channel => CONFIGURATION_NIX,
        ConfigKind::Flake => FLAKE_NIX,
    };
    let named_in = |file: &Path| {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        literal_paths(file, &text)
    };
    let reached = reached_from(root, vec![first.into()], named_in);
    candidates
        .iter()
        .filter(|file| reached.contains(*file))
        .cloned()
        .collect()
}

fn beside_configuration(root: &Path, kind: ConfigKind) -> PathBuf {
    let configurations: Vec<PathBuf> = files_named(root, CONFIGURATION_NIX).collect();
    match (kind, configurations.as_slice()) {
        (ConfigKind::Flake, [one]) => one.with_file_name(HARDWARE_CONFIGURATION),
        _ => PathBuf::from(HARDWARE_CONFIGURATION),
    }
}

fn ambiguous(root: &Path, candidates: Vec<PathBuf>) -> anyhow::Error {
    let similar = similar(root);
    HardwareProblem::Ambiguous { candidates, similar }.into()
}

/// The files that look like a hardware configuration under another name: those that nixos-generate-config wrote, by their
/// heading, reports of nixos-facter, and files called `hardware.nix`.
pub fn similar(root: &Path) -> Vec<PathBuf> {
    let is_similar = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_generated = || {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            text.contains("generated by ‘nixos-generate-config’")
        };
        let is_nix = name.ends_with(".nix");
        name != HARDWARE_CONFIGURATION && (name == "facter.json" || name == "hardware.nix" || is_nix && is_generated())
    };
    files(root).filter(is_similar).collect()
}

/// All files of that name in the tree, relative to it, sorted.
fn files_named(root: &Path, name: &'static str) -> impl Iterator<Item = PathBuf> + use<> {
    files(root).filter(move |file| file.file_name().is_some_and(|this| this == name))
}

/// The paths of files named `name` that any Nix file of the tree names by a relative path literal, relative to the
/// tree, sorted, without duplicates.
pub(super) fn imports(root: &Path, name: &'static str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = importers(root, name).map(|(_, imported)| imported).collect();
    found.sort();
    found.dedup();
    found
}

/// The first file of the tree that names the hardware file `wanted` by a relative path literal.
pub(super) fn importer(root: &Path, wanted: &Path) -> Option<PathBuf> {
    let mut importers = importers(root, HARDWARE_CONFIGURATION);
    importers.find(|(_, imported)| imported == wanted).map(|(file, _)| file)
}

/// The files of the tree that name a file named `name`, each with the file that it names.
fn importers(root: &Path, name: &'static str) -> impl Iterator<Item = (PathBuf, PathBuf)> + use<> {
    // Parsing is slow, and most files do not name it.
    let files = nix_files(root).filter(move |(_, text)| text.contains(name));
    files.flat_map(move |(file, text)| {
        let literals = literal_paths(&file, &text).into_iter();
        literals
            .filter(move |literal| literal.file_name().is_some_and(|this| this == name))
            .map(move |literal| (file.clone(), literal))
    })
}
