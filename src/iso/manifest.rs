//! The record of what this program wrote into an ISO directory, by which `update` recognizes the user's edits.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::copied::{Copied, Digests, hash};
use super::flake_template::{CONFIG_DIR, File, INSTALLER_DIR, IsoSpec, MANIFEST, SETTINGS_FILE};
use crate::diagnostic::{Diagnostic, Diagnostics, IsoDirectoryProblem};
use crate::tree::source::{CONFIGURATION_NIX, FLAKE_NIX, HARDWARE_CONFIGURATION};
use crate::tree::special_files::special_files;
use crate::tree::syntax::{NixFile, Shape, Value};

/// The record of one `init` or `update`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The version of this program that wrote it.
    pub version: String,
    /// What `init` chose.
    #[serde(rename = "request")]
    pub spec: IsoSpec,
    /// The SHA-256 of each file as this program wrote it, by its path.
    pub files: BTreeMap<PathBuf, String>,
    /// The configuration as it was copied. While `refresh` replaces it, both records are here, the new one last. Earlier versions
    /// kept none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<Copied>,
}

impl Manifest {
    /// The record of `files`.
    pub fn new(spec: IsoSpec, files: &[File]) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            spec,
            files: files
                .iter()
                .map(|file| (file.path.clone(), hash(&file.contents)))
                .collect(),
            configuration: Vec::new(),
        }
    }

    /// The record of the configuration that is there, with the files `copy`.
    pub fn copied(&self, copy: &Digests) -> Option<&Copied> {
        let mut records = self.configuration.iter();
        records
            .find(|record| record.files == *copy)
            .or(self.configuration.first())
    }

    /// Reads the record of the ISO directory `dir`.
    ///
    /// # Errors
    /// [`IsoDirectoryProblem::NoManifest`] when there is none, [`IsoDirectoryProblem::ManifestDamaged`], and [`Diagnostics`] of
    /// pipes and the like in `dir`.
    pub fn load(dir: &Path) -> Result<Self> {
        let special = special_files(dir);
        if !special.is_empty() {
            return Err(Diagnostics(special).into());
        }
        let path = dir.join(INSTALLER_DIR).join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
                return Err(IsoDirectoryProblem::NoManifest {
                    dir: dir.to_owned(),
                    manifest: Path::new(INSTALLER_DIR).join(MANIFEST),
                }
                .into());
            }
            text => text.with_context(|| format!("Failed to read {}", path.display()))?,
        };
        serde_json::from_str(&text).map_err(|error| {
            let line = u32::try_from(error.line()).ok().filter(|line| *line > 0);
            let problem = IsoDirectoryProblem::ManifestDamaged { dir: dir.to_owned() };
            Diagnostic::from(problem).at(&path, line, None).into()
        })
    }

    /// The hosts of the ISO directory `dir`: those in its flake, or else those that `init` wrote.
    #[must_use]
    pub fn hosts(&self, dir: &Path) -> Vec<String> {
        hosts(dir).unwrap_or_else(|| self.spec.hosts.clone())
    }

    /// Writes it into the ISO directory `dir`.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("Failed to write the manifest as JSON")? + "\n";
        File::text(Path::new(INSTALLER_DIR).join(MANIFEST), text).write(dir)
    }
}

/// The hosts in the flake of the ISO directory `dir`, where a person can change them. `None`: it has no list of names for them.
fn hosts(dir: &Path) -> Option<Vec<String>> {
    let flake = fs::read_to_string(dir.join(FLAKE_NIX)).ok()?;
    let mut lists = NixFile::parse(&flake)
        .all_bindings()
        .filter(|binding| binding.is("hosts"));
    let (Some(hosts), None) = (lists.next(), lists.next()) else {
        return None;
    };
    let Shape::List(names) = hosts.value.shape else {
        return None;
    };
    let name = |value: Value| match value.shape {
        Shape::String(name) => Some(name),
        _ => None,
    };
    names.into_iter().map(name).collect()
}

/// Whether the flake in `dir` cannot be evaluated without `file`, one that `init` writes: the flake itself, what belongs to this
/// program, the configurations of its hosts (of stock NixOS), and what a person did not take out of the file that names it.
pub(super) fn is_needed(dir: &Path, file: &Path) -> bool {
    let is_named = |name: &str, by: &Path| fs::read_to_string(dir.join(by)).map_or(true, |text| text.contains(name));
    if file == Path::new(SETTINGS_FILE) {
        return is_named(SETTINGS_FILE, Path::new(FLAKE_NIX));
    }
    let Ok(of_host) = file.strip_prefix(CONFIG_DIR) else {
        return file == Path::new(FLAKE_NIX) || file.starts_with(INSTALLER_DIR);
    };
    let hosts = hosts(dir).unwrap_or_default();
    let is_of = |host: &String| of_host.starts_with(host);
    hosts.iter().any(is_of)
        && (file.ends_with(CONFIGURATION_NIX)
            || is_named(HARDWARE_CONFIGURATION, &file.with_file_name(CONFIGURATION_NIX)))
}
