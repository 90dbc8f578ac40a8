//! The settings file `/etc/nix-cfg-install.yaml`. docs/settings.md documents every key.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Diagnostics, SettingsProblem};
use crate::tree::feature::NotCovered;

/// Where the settings are looked for when no `--settings` is given. The file may be absent.
pub const DEFAULT_PATH: &str = "/etc/nix-cfg-install.yaml";

/// The settings as written; a flag wins over its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Settings {
    /// The directory to install from, in place of the two standard ones.
    pub source: Option<PathBuf>,
    /// Which of a flake's `nixosConfigurations` to install.
    pub host: Option<String>,
    /// This machine's hardware-configuration.nix, relative to the tree.
    pub hardware_config: Option<PathBuf>,
    /// The nixpkgs of a channel configuration.
    pub nixpkgs: Option<PathBuf>,
    /// A directory with more channels, by their names: what a channel configuration looks up and the installed system gets.
    pub channels: Option<PathBuf>,
    /// The mount point to install to.
    pub target: Option<PathBuf>,
    /// Whether substituters and the network may be used.
    pub online: bool,
    /// Whether to leave the boot loader alone.
    pub no_bootloader: bool,
    /// What the medium was made without; written when the ISO is made.
    pub not_covered: Vec<NotCovered>,
    /// What rebuilding the system without a network needs, as one store path of the medium: kept on the target.
    pub offline_rebuild: Option<PathBuf>,
    /// Whether the store's image is read without the kernel's squashfs; yes by default.
    pub read_image: Option<bool>,
}

impl Settings {
    /// Reads `explicit`, or [`DEFAULT_PATH`] where it exists.
    ///
    /// # Errors
    /// A [`SettingsProblem`] for each unknown key, and when the file cannot be read, is not YAML or has a value of the wrong
    /// type.
    pub fn load(explicit: Option<&Path>) -> Result<Self> {
        let path = explicit.unwrap_or(Path::new(DEFAULT_PATH));
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == ErrorKind::NotFound && explicit.is_none() => Ok(Self::default()),
            Err(error) => {
                let error = error.to_string();
                Err(Diagnostic::from(SettingsProblem::Unreadable { error })
                    .at(path, None, None)
                    .into())
            }
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut problems = Vec::new();
        let mut unknown = |key: serde_ignored::Path<'_>| {
            // It begins with a mark for the optional document.
            problems.push(unknown_key(text, path, key.to_string().trim_start_matches("?.")));
        };
        // A file of comments alone is no mapping, and no mistake either.
        let parsed: Result<Option<Self>, _> =
            serde_ignored::deserialize(serde_yaml::Deserializer::from_str(text), &mut unknown);
        match parsed {
            Ok(settings) => {
                let settings = settings.unwrap_or_default();
                problems.extend(settings.relative_paths(text, path));
                if problems.is_empty() {
                    Ok(settings)
                } else {
                    Err(Diagnostics(problems).into())
                }
            }
            Err(error) => {
                let number = |value: usize| u32::try_from(value).ok();
                let at = error.location();
                let (line, column) = (
                    at.as_ref().and_then(|at| number(at.line())),
                    at.as_ref().and_then(|at| number(at.column())),
                );
                let error = error.to_string();
                problems.push(Diagnostic::from(SettingsProblem::Invalid { error }).at(path, line, column));
                Err(Diagnostics(problems).into())
            }
        }
    }

    /// The problems of paths that mean something else wherever the installer is started. `text` is that of the file at `path`.
    fn relative_paths(&self, text: &str, path: &Path) -> Vec<Diagnostic> {
        let named = [
            ("source", &self.source),
            ("nixpkgs", &self.nixpkgs),
            ("channels", &self.channels),
            ("target", &self.target),
            ("offline-rebuild", &self.offline_rebuild),
        ];
        let relative = named.into_iter().filter_map(|(key, named)| {
            let value = named.clone().filter(|named| !named.is_absolute())?;
            Some(Diagnostic::from(SettingsProblem::Relative { key, value }).at(path, line_of(text, key), None))
        });
        relative.collect()
    }

    /// Every key, as it is written in the file.
    fn keys() -> Vec<String> {
        let default = serde_yaml::to_value(Self::default()).ok();
        let keys = default.as_ref().and_then(serde_yaml::Value::as_mapping);
        let keys = keys.into_iter().flat_map(serde_yaml::Mapping::keys);
        keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()
    }
}

/// The line of `text` that begins with `key`, counted from 1.
fn line_of(text: &str, key: &str) -> Option<u32> {
    let mut lines = text.lines();
    let index = lines.position(|line| line.trim_start_matches(['"', '\'', ' ']).starts_with(key))?;
    u32::try_from(index + 1).ok()
}

fn unknown_key(text: &str, path: &Path, key: &str) -> Diagnostic {
    let line = line_of(text, key);
    let known = Settings::keys();
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, key), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(2));
    let nearest = nearest.map(|(_, known)| known.clone());
    let key = key.to_owned();
    Diagnostic::from(SettingsProblem::UnknownKey { key, nearest, known }).at(path, line, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::feature::{Feature, FeatureKind};

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, Path::new("s.yaml"))
    }

    #[test]
    fn every_key_that_is_documented_is_understood() {
        let settings = parse(
            "source: /a\nhost: h\nhardware-config: hosts/h/hardware-configuration.nix\nnixpkgs: /n\nchannels: /c\ntarget: /t\n\
             online: true\nno-bootloader: true\nnot-covered: [{\"kind\":\"filesystem\",\"name\":\"zfs\",\"reason\":\"no room\"}]\n\
             offline-rebuild: /nix/store/h-offline-rebuild\nread-image: false\n",
        )
        .unwrap();
        assert_eq!(
            settings,
            Settings {
                source: Some("/a".into()),
                host: Some("h".into()),
                hardware_config: Some("hosts/h/hardware-configuration.nix".into()),
                nixpkgs: Some("/n".into()),
                channels: Some("/c".into()),
                target: Some("/t".into()),
                online: true,
                no_bootloader: true,
                not_covered: vec![NotCovered {
                    feature: Feature {
                        kind: FeatureKind::Filesystem,
                        name: "zfs".into(),
                    },
                    reason: "no room".into(),
                }],
                offline_rebuild: Some("/nix/store/h-offline-rebuild".into()),
                read_image: Some(false),
            }
        );
        let documented = include_str!("../docs/settings.md");
        for key in Settings::keys() {
            assert!(
                documented.contains(&format!("`{key}`")),
                "docs/settings.md does not say what `{key}` is"
            );
        }
    }

    #[test]
    fn all_unknown_keys_are_named_with_their_line_and_the_nearest_known_one() {
        let error = parse("host: a\nhardware_config: x\n\nzebra: 1\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`hardware_config` is not a setting\n  where: s.yaml:2"),
            "{error}"
        );
        assert!(error.contains("Did you mean `hardware-config`?"), "{error}");
        assert!(error.contains("`zebra` is not a setting\n  where: s.yaml:4"), "{error}");
        assert!(error.contains("Known keys: source, host"), "{error}");
    }

    #[test]
    fn a_path_is_absolute() {
        for (text, path) in [("target: \"\"", "\"\""), ("host: a\nsource: ../nixos", "\"../nixos\"")] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("cannot be {path}")), "{error}");
            let line = text.lines().count();
            assert!(error.contains(&format!("where: s.yaml:{line}\n")), "{error}");
        }
        assert_eq!(parse("target: null").unwrap(), Settings::default());
    }

    #[test]
    fn a_wrong_type_is_located() {
        let error = parse("host: a\nonline: perhaps\n").unwrap_err().to_string();
        assert!(error.contains("s.yaml:2"), "{error}");
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let error = Settings::load(Some(Path::new("/nowhere/s.yaml")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("where: /nowhere/s.yaml\n  why: No such file"), "{error}");
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(parse("# nothing\n").unwrap(), Settings::default());
        assert_eq!(parse("").unwrap(), Settings::default());
    }
}
