//! The ISO directory that is checked.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::diagnostic::IsoDirectoryProblem;
use crate::iso::copied::{Copied, Digests, digests};
use crate::iso::flake_template::{CONFIG_DIR, IsoSpec, SETTINGS_FILE};
use crate::iso::manifest::{self, Manifest};
use crate::settings::Settings;
use crate::tree::source::{self, ConfigKind};

/// An ISO directory with what its files say of it.
pub(super) struct IsoDirectory {
    /// An absolute path.
    pub dir: PathBuf,
    /// The configuration in it.
    pub configuration: PathBuf,
    pub kind: ConfigKind,
    pub spec: IsoSpec,
    pub settings: Settings,
    /// What the flake needs and a person removed.
    pub missing: Vec<PathBuf>,
    /// The record of the configuration; earlier versions kept none.
    pub copied: Option<Copied>,
    /// The files of the configuration.
    pub digests: Digests,
}

/// The path of `file` without the directory of the configuration in the ISO directory.
pub(super) fn without_config_dir(file: &str) -> String {
    file.replacen(&format!("/{CONFIG_DIR}/"), "/", 1)
}

impl IsoDirectory {
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = Manifest::load(dir)?;
        let configuration = dir.join(CONFIG_DIR);
        let hosts = manifest.hosts(dir);
        let host = hosts.first().map(String::as_str);
        let Ok(source) = source::choose(Some((&configuration, "the directory of the ISO")), &[], host) else {
            let missing = missing(dir, &manifest);
            let dir = dir.to_owned();
            if manifest.spec.state_version.is_some() && !missing.is_empty() {
                return Err(IsoDirectoryProblem::FilesMissing { dir, files: missing }.into());
            }
            let from = manifest
                .configuration
                .first()
                .map(Copied::origin)
                .filter(|from| from.is_dir());
            return Err(IsoDirectoryProblem::NoConfiguration { dir, from }.into());
        };
        Ok(Self {
            kind: source.kind,
            ..Self::with(dir, &manifest, configuration)?
        })
    }

    /// The configurations in it: those of stock NixOS are in directories with the names of their hosts.
    pub fn trees(&self) -> Vec<PathBuf> {
        match (self.kind, self.spec.hosts.as_slice()) {
            (ConfigKind::Channel, [_, ..]) => self
                .spec
                .hosts
                .iter()
                .map(|host| self.configuration.join(host))
                .collect(),
            _ => vec![self.configuration.clone()],
        }
    }

    /// The ISO directory `dir` as it would be with another `configuration` of the same kind.
    pub fn with(dir: &Path, manifest: &Manifest, configuration: PathBuf) -> Result<Self> {
        let settings = dir.join(SETTINGS_FILE);
        let digests = digests(&configuration)?;
        Ok(Self {
            dir: dir.to_owned(),
            kind: manifest.spec.kind,
            configuration,
            missing: missing(dir, manifest),
            spec: IsoSpec {
                hosts: manifest.hosts(dir),
                ..manifest.spec.clone()
            },
            settings: if settings.exists() {
                Settings::load(Some(&settings))?
            } else {
                Settings::default()
            },
            copied: manifest.copied(&digests).cloned(),
            digests,
        })
    }
}

/// What the flake of the ISO directory `dir` needs of the files that `init` wrote, and that are not there.
fn missing(dir: &Path, manifest: &Manifest) -> Vec<PathBuf> {
    let is_missing = |file: &&PathBuf| !dir.join(file).exists() && manifest::is_needed(dir, file);
    manifest.files.keys().filter(is_missing).cloned().collect()
}
