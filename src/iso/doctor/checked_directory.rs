//! The ISO directory that is checked.

use std::path::{Path, PathBuf};

use anyhow::Result;

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
}

/// The path of `file` without the directory of the configuration in the ISO directory.
pub(super) fn without_config_dir(file: &str) -> String {
    file.replacen(&format!("/{CONFIG_DIR}/"), "/", 1)
}

impl IsoDirectory {
    pub fn open(dir: &Path) -> Result<Self> {
        let Manifest { spec, files, .. } = Manifest::load(dir)?;
        let is_missing = |file: &PathBuf| !dir.join(file).exists() && manifest::is_needed(dir, file);
        let configuration = dir.join(CONFIG_DIR);
        let settings = dir.join(SETTINGS_FILE);
        Ok(Self {
            dir: dir.to_owned(),
            kind: source::choose(Some((&configuration, "the directory of the ISO")), &[])?.kind,
            configuration,
            missing: files.into_keys().filter(is_missing).collect(),
            spec,
            settings: if settings.exists() {
                Settings::load(Some(&settings))?
            } else {
                Settings::default()
            },
        })
    }
}
