//! The settings file `/etc/nix-cfg-install.yaml`. docs/settings.md documents every key.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use crate::diagnostic::{Diagnostic, Diagnostics, SettingsProblem, Takes};
use crate::files::read_text;
use crate::tree::feature::NotCovered;

/// Where the settings are looked for when no `--settings` is given; a key of a later file overrides that of an earlier one.
/// The first is part of the live system, the second is what `nix-cfg-iso customize` changes. Each may be absent.
pub const STANDARD_PATHS: [&str; 2] = ["/etc/nix-cfg-install.yaml", "/iso/nix-cfg-install.yaml"];

/// The settings as written; a flag wins over its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
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

/// Bytes of the largest file that is read: some hundred times what an ISO writes.
const LARGEST: u64 = 1_000_000;

impl Settings {
    /// Reads `explicit`, or otherwise [`STANDARD_PATHS`].
    ///
    /// # Errors
    /// A [`SettingsProblem`] for each unknown key and each value that its key does not take, and when the file cannot be read or
    /// is not YAML.
    pub fn load(explicit: Option<&Path>) -> Result<Self> {
        match explicit {
            Some(path) => {
                let text = read_text(path, LARGEST).map_err(|error| unreadable(&error, path))?;
                Self::parse(&text, path)
            }
            None => Self::layered(&STANDARD_PATHS.map(Path::new)),
        }
    }

    /// The settings of the files in `paths` that exist.
    fn layered(paths: &[&Path]) -> Result<Self> {
        let mut keys = Mapping::new();
        for path in paths {
            match read_text(path, LARGEST) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                read => keys.extend(checked_keys(&read.map_err(|error| unreadable(&error, path))?, path)?),
            }
        }
        Self::of(keys)
    }

    /// The settings in `text`, which is that of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        Self::of(checked_keys(text, path)?)
    }

    fn of(mut keys: Mapping) -> Result<Self> {
        // A key without a value is as good as none.
        keys.retain(|_, value| !value.is_null());
        Ok(serde_yaml::from_value(keys.into()).map_err(|error| {
            let error = error.to_string();
            Diagnostics(vec![SettingsProblem::Invalid { error }.into()])
        })?)
    }
}

fn unreadable(error: &std::io::Error, path: &Path) -> Diagnostic {
    let error = error.to_string();
    Diagnostic::from(SettingsProblem::Unreadable { error }).at(path, None, None)
}

/// The keys in `text`, which is that of the file at `path`, each with a value that it takes, or `null`.
fn checked_keys(text: &str, path: &Path) -> Result<Mapping, Diagnostics> {
    let at = |problem: SettingsProblem, (line, column)| Diagnostic::from(problem).at(path, line, column);
    let document: Value = serde_yaml::from_str(text).map_err(|error| {
        let number = |value: usize| u32::try_from(value).ok();
        let place = error.location();
        let place = place.map_or((None, None), |place| (number(place.line()), number(place.column())));
        let error = error.to_string();
        Diagnostics(vec![at(SettingsProblem::Invalid { error }, place)])
    })?;
    let settings = match document {
        // A file of comments alone is no mapping, and no mistake either.
        Value::Null => Mapping::new(),
        Value::Mapping(settings) => settings,
        other => {
            let found = described(&other);
            return Err(Diagnostics(vec![at(
                SettingsProblem::NoMapping { found },
                (None, None),
            )]));
        }
    };
    let problems: Vec<Diagnostic> = settings
        .iter()
        .filter_map(|(key, value)| {
            let key = key.as_str().map_or_else(|| described(key), str::to_owned);
            let problem = problem(&key, value)?;
            Some(at(problem, place_of(text, &key)))
        })
        .collect();
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(Diagnostics(problems))
    }
}

/// The keys, as they are written in the file, and what each takes.
const KEYS: [(&str, Takes); 11] = [
    ("source", Takes::AbsolutePath),
    ("host", Takes::Name),
    ("hardware-config", Takes::PathInTree),
    ("nixpkgs", Takes::AbsolutePath),
    ("channels", Takes::AbsolutePath),
    ("target", Takes::AbsolutePath),
    ("online", Takes::Switch),
    ("no-bootloader", Takes::Switch),
    ("not-covered", Takes::Features),
    ("offline-rebuild", Takes::AbsolutePath),
    ("read-image", Takes::Switch),
];

/// What is wrong with the key and its value.
fn problem(key: &str, value: &Value) -> Option<SettingsProblem> {
    let Some((key, takes)) = KEYS.into_iter().find(|(known, _)| *known == key) else {
        return Some(unknown_key(key));
    };
    // It stands for the default.
    if value.is_null() {
        return None;
    }
    let fits = match (takes, value) {
        (Takes::AbsolutePath, Value::String(path)) if !Path::new(path).is_absolute() => {
            let value = path.into();
            return Some(SettingsProblem::Relative { key, value });
        }
        (Takes::AbsolutePath | Takes::PathInTree | Takes::Name, Value::String(_)) | (Takes::Switch, Value::Bool(_)) => {
            true
        }
        (Takes::Features, list) => serde_yaml::from_value::<Vec<NotCovered>>(list.clone()).is_ok(),
        _ => false,
    };
    let found = || described(value);
    (!fits).then(|| SettingsProblem::WrongType {
        key,
        takes,
        found: found(),
    })
}

/// A value as a person calls it.
fn described(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => format!("the text \"{value}\""),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "keys with values".to_owned(),
        Value::Tagged(value) => format!("a value with the tag {}", value.tag),
    }
}

/// Where in `text` the value of `key` is, or the key where the value begins on another line: line and column, counted from 1.
fn place_of(text: &str, key: &str) -> (Option<u32>, Option<u32>) {
    let after = |line: &'_ str| {
        let start = line.find(|char| !['"', '\'', ' '].contains(&char))?;
        let rest = line[start..].strip_prefix(key)?;
        let rest = rest
            .trim_start_matches(['"', '\''])
            .trim_start()
            .strip_prefix(':')?
            .trim_start();
        let column = if rest.is_empty() {
            start
        } else {
            line.len() - rest.len()
        };
        Some(line[..column].chars().count())
    };
    let mut lines = text.lines().zip(1..);
    let place = lines.find_map(|(line, number)| Some((number, after(line)?)));
    match place {
        Some((line, column)) => (Some(line), u32::try_from(column + 1).ok()),
        None => (None, None),
    }
}

fn unknown_key(key: &str) -> SettingsProblem {
    let distances = KEYS.map(|(known, _)| (strsim::damerau_levenshtein(known, key), known));
    let nearest = distances.into_iter().min();
    let nearest = nearest.filter(|(distance, known)| *distance <= known.len().div_ceil(2));
    SettingsProblem::UnknownKey {
        key: key.to_owned(),
        nearest: nearest.map(|(_, known)| known),
        known: KEYS.map(|(known, _)| known),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let written = serde_yaml::to_value(Settings::default()).unwrap();
        let keys: Vec<&str> = written
            .as_mapping()
            .unwrap()
            .keys()
            .map(|key| key.as_str().unwrap())
            .collect();
        assert_eq!(KEYS.map(|(key, _)| key).as_slice(), keys);
        for key in keys {
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
            error.contains("`hardware_config` is not a setting\n  where: s.yaml:2:18\n"),
            "{error}"
        );
        assert!(error.contains("Did you mean `hardware-config`?"), "{error}");
        assert!(
            error.contains("`zebra` is not a setting\n  where: s.yaml:4:8\n"),
            "{error}"
        );
        assert!(error.contains("Known keys: source, host"), "{error}");
    }

    #[test]
    fn a_path_is_absolute() {
        for (text, path) in [("target: \"\"", "\"\""), ("host: a\nsource: ../nixos", "\"../nixos\"")] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("cannot be {path}")), "{error}");
            let line = text.lines().count();
            assert!(error.contains(&format!("where: s.yaml:{line}:9\n")), "{error}");
        }
        assert_eq!(parse("target: null").unwrap(), Settings::default());
    }

    #[test]
    fn all_wrong_values_are_reported_in_words_of_yaml_with_line_and_column() {
        let text = "host: 12\n\"online\": perhaps\ntarget:\n  - /mnt\nread-image: 1\nhardware-config: {a: b}\nno-bootloader: no\n\
                    not-covered: [{kind: nonsense}]\nnixpkgs: x\nhostt: a\n";
        let error = parse(text).unwrap_err().to_string();
        for expected in [
            "`host` takes a name, and this is the number 12\n  where: s.yaml:1:7\n  what to do: Write it in quotes: `host: \"…\"`",
            "`online` takes true or false, and this is the text \"perhaps\"\n  where: s.yaml:2:11\n  what to do: Write `online: true` or `online: false`.",
            "`target` takes an absolute path, and this is a list\n  where: s.yaml:3:1\n  what to do: Write `target: /…`",
            "`read-image` takes true or false, and this is the number 1\n  where: s.yaml:5:13\n",
            "`hardware-config` takes a path inside the configuration, and this is keys with values\n  where: s.yaml:6:18\n",
            "`no-bootloader` takes true or false, and this is the text \"no\"\n  where: s.yaml:7:16\n",
            "`not-covered` takes a list of entries with `kind`, `name` and `reason`, and this is another list\n  where: s.yaml:8:14\n",
            "`nixpkgs` cannot be \"x\"\n  where: s.yaml:9:10\n",
            "`hostt` is not a setting\n  where: s.yaml:10:8\n  what to do: Did you mean `host`?",
        ] {
            assert!(error.contains(expected), "{expected}\n\n{error}");
        }
        for (text, expected) in [
            ("- host: a\n", "The settings are not keys with values: this is a list\n"),
            ("just words\n", "this is the text \"just words\"\n"),
            (
                "host: a\nhost: b\n",
                "The settings file is not valid YAML: duplicate entry with key \"host\"",
            ),
            ("host: a\n  online: true\n", "s.yaml:2:9\n"),
            ("12: a\n", "`the number 12` is not a setting"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}\n\n{error}");
            for word in ["struct", "sequence", "expected a string"] {
                assert!(!error.contains(word), "{error}");
            }
        }
        assert_eq!(parse("online:\nhost: null\n").unwrap(), Settings::default());
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let error = Settings::load(Some(Path::new("/nowhere/s.yaml")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("where: /nowhere/s.yaml\n  why: No such file"), "{error}");
    }

    #[test]
    fn a_key_of_the_medium_overrides_that_of_the_live_system() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let (etc, medium) = (path("etc.yaml"), path("iso.yaml"));
        let load = || Settings::layered(&[&etc, &medium]);
        assert_eq!(load().unwrap(), Settings::default());
        fs::write(&etc, "host: a\nonline: true\nnixpkgs: /n\n").unwrap();
        fs::write(&medium, "# none yet\n").unwrap();
        assert_eq!(load().unwrap().host.as_deref(), Some("a"));
        fs::write(&medium, "host: b\nonline: false\nhardware-config: null\n").unwrap();
        let settings = load().unwrap();
        assert_eq!(settings.host.as_deref(), Some("b"));
        assert!(!settings.online && settings.nixpkgs.as_deref() == Some(Path::new("/n")));
        fs::write(&medium, "host: null\n").unwrap();
        assert_eq!(load().unwrap().host, None);
        fs::write(&medium, "\nhots: b\n").unwrap();
        let error = load().unwrap_err().to_string();
        assert!(error.contains("iso.yaml:2") && error.contains("`host`"), "{error}");
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(parse("# nothing\n").unwrap(), Settings::default());
        assert_eq!(parse("").unwrap(), Settings::default());
    }
}
