//! What this program wrote into an emitted folder: by this `update` tells the user's edits from its own text.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::flake_template::{File, INSTALLER_DIR, IsoSpec};
use crate::diagnostic::Diagnostic;

/// Its name, in the folder that belongs to this program.
const NAME: &str = "manifest.json";

/// The record of one `init` or `update`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this program that wrote it.
    pub version: String,
    /// What was asked for at `init`.
    pub request: IsoSpec,
    /// The SHA-256 of each file as this program writes it, by its path.
    pub files: BTreeMap<PathBuf, String>,
}

impl Manifest {
    /// The record of `files`.
    #[must_use]
    pub fn new(request: IsoSpec, files: &[File]) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            request,
            files: files
                .iter()
                .map(|file| (file.path.clone(), hash(&file.contents)))
                .collect(),
        }
    }

    /// Reads the record in the emitted folder `dir`.
    ///
    /// # Errors
    /// A [`Diagnostic`] when there is none, or it is not readable as one.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(INSTALLER_DIR).join(NAME);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Diagnostic::error(
                    "not-emitted",
                    format!("{} was not written by nix-cfg-iso", dir.display()),
                )
                .because(format!("It has no {INSTALLER_DIR}/{NAME}."))
                .remedy("Name the folder that `nix-cfg-iso init` wrote, or make one with it.")
                .into());
            }
            text => text.with_context(|| format!("Failed to read {}", path.display()))?,
        };
        serde_json::from_str(&text).with_context(|| format!("{} is not what nix-cfg-iso wrote there", path.display()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When that fails.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("Failed to write the manifest as JSON")? + "\n";
        write(dir, &File::text(Path::new(INSTALLER_DIR).join(NAME), text))
    }
}

/// The SHA-256 of `bytes`, in hexadecimal.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Writes one file below `dir`, in one step: it is there whole or as it was before.
///
/// # Errors
/// When the disk refuses.
pub fn write(dir: &Path, file: &File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(&file.path);
    let what = || format!("Failed to write {}", path.display());
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).with_context(what)?;
    let mut new = tempfile::NamedTempFile::new_in(parent).with_context(what)?;
    new.write_all(&file.contents).with_context(what)?;
    let mode = if file.executable { 0o755 } else { 0o644 };
    new.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .with_context(what)?;
    new.persist(&path).with_context(what)?;
    Ok(())
}
