//! The settings file `/etc/nix-cfg-install.yaml`. docs/settings.md documents every key.

#[cfg(test)]
mod settings_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use serde::{Deserialize, Deserializer};
use serde_yaml::{Mapping, Value};

use crate::cache::{is_public_key, is_secret_key, is_url};
use crate::diagnostic::{Damage, Diagnostic, Diagnostics, Place, SettingsProblem, SupplyProblem, Takes};
use crate::files::{read_input, read_text};
use crate::interrupt::Interrupt;
use crate::tree::feature::NotCovered;
use crate::tree::nix_files::normal;
use crate::yaml::{self, Fault};

/// Where the settings are looked for when no `--settings` is given; a key of a later file overrides that of an earlier one.
/// The first is part of the live system, the second is what `nix-cfg-iso customize` changes, the third what a live system that
/// was started over the network has learned there. Each may be absent.
pub const STANDARD_PATHS: [&str; 3] = [
    "/etc/nix-cfg-install.yaml",
    "/iso/nix-cfg-install.yaml",
    "/run/nix-cfg-install.yaml",
];

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
    /// A directory of files for the installed system that its configuration does not have.
    pub extra_files: Option<PathBuf>,
    /// The nixpkgs of a channel configuration.
    pub nixpkgs: Option<PathBuf>,
    /// A directory with more channels, by their names: what a channel configuration looks up and the installed system gets.
    pub channels: Option<PathBuf>,
    /// The mount point to install to.
    pub target: Option<PathBuf>,
    /// The addresses of a binary cache that has what the live system does not have.
    #[serde(deserialize_with = "one_or_several")]
    pub medium: Vec<String>,
    /// Those whose signatures count there.
    #[serde(deserialize_with = "one_or_several", rename = "public-key")]
    pub public_keys: Vec<String>,
    /// Whether substituters and the network may be used.
    pub online: bool,
    /// Whether to leave the boot loader alone.
    pub no_bootloader: bool,
    /// What the medium was made without; written when the ISO is made.
    pub not_covered: Vec<NotCovered>,
    /// What rebuilding the system without a network needs, as one store path of the medium: kept on the target.
    pub offline_rebuild: Option<PathBuf>,
    /// What is answered about the system to be installed.
    pub set: BTreeMap<String, Value>,
    /// Where each of these answers stands.
    #[serde(skip)]
    pub places: BTreeMap<String, Place>,
    /// What there is to choose from: a directory that the ISO has.
    pub choices: Option<PathBuf>,
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
            // Signals still end the process.
            Some(path) => Self::parse(&Self::text(path, &Interrupt::default())?, path),
            None => Self::layered(&STANDARD_PATHS.map(Path::new)),
        }
    }

    /// The text of the settings file at `path`, which may be a pipe.
    ///
    /// # Errors
    /// A [`SettingsProblem`] when it cannot be read, or is no text.
    pub fn text(path: &Path, interrupt: &Interrupt) -> Result<String> {
        Ok(read_input(path, LARGEST, interrupt).map_err(|error| unreadable(&error, path))?)
    }

    /// The settings of the files in `paths` that exist.
    fn layered(paths: &[&Path]) -> Result<Self> {
        let (mut keys, mut places) = (Mapping::new(), BTreeMap::new());
        for path in paths {
            match read_text(path, LARGEST) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                read => {
                    let text = read.map_err(|error| unreadable(&error, path))?;
                    let layer = checked_keys(&text, path)?;
                    if let Some(answers) = layer.get("set") {
                        places = places_of(answers, &text, path);
                    }
                    if let Some(host) = layer.get("host")
                        && !is_of_host(keys.get("host").and_then(Value::as_str), host.as_str())
                    {
                        keys.remove("hardware-config");
                    }
                    keys.extend(layer);
                }
            }
        }
        Ok(Self {
            places,
            ..Self::of(keys)?
        })
    }

    /// The settings in `text`, which is that of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let keys = checked_keys(text, path)?;
        let answers = keys.get("set").cloned().unwrap_or_default();
        Ok(Self {
            places: places_of(&answers, text, path),
            ..Self::of(keys)?
        })
    }

    /// The hardware file, if it is that of `host`, which may be another one than that in the settings.
    pub fn hardware_config_of(&self, host: Option<&str>) -> Option<PathBuf> {
        let file = self.hardware_config.clone();
        file.filter(|_| is_of_host(self.host.as_deref(), host))
    }

    fn of(mut keys: Mapping) -> Result<Self> {
        // A key without a value is as good as none.
        keys.retain(|_, value| !value.is_null());
        Ok(serde_yaml::from_value(keys.into()).map_err(|error| {
            let error = error.to_string();
            Diagnostics(vec![SettingsProblem::Invalid { error }.into()])
        })?)
    }

    /// The answers in `set`, as text.
    pub fn answers(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::String(text) => text.clone(),
            // None of the values that can be set.
            _ => String::new(),
        };
        let answers = self.set.iter().filter(|(_, value)| !value.is_null());
        answers.map(|(key, value)| (key.clone(), text(value))).collect()
    }
}

/// Where `answers` stand in `text`, which is that of the file at `path`.
fn places_of(answers: &Value, text: &str, path: &Path) -> BTreeMap<String, Place> {
    let keys = answers.as_mapping().into_iter().flat_map(Mapping::keys);
    let place = |key: &Value| {
        let key = key.as_str()?;
        let (line, column) = place_of(text, key);
        let file = path.to_owned();
        Some((key.to_owned(), Place { file, line, column }))
    };
    keys.filter_map(place).collect()
}

/// A text, or a list of them that is not empty.
pub fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Sequence(list) if !list.is_empty() => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(value)?;
    Ok(texts(&value)
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect())
}

/// Whether the hardware file beside the host `beside` is that of `host`: without one beside it, it is that of any.
fn is_of_host(beside: Option<&str>, host: Option<&str>) -> bool {
    beside.is_none() || beside == host
}

fn unreadable(error: &std::io::Error, path: &Path) -> Diagnostic {
    if error.raw_os_error() == Some(Errno::EIO as i32) {
        let file = Some(path.display().to_string());
        return SupplyProblem::Damaged(Damage::Unreadable { file }).into();
    }
    let error = error.to_string();
    Diagnostic::from(SettingsProblem::Unreadable { error }).at(path, None, None)
}

/// The keys in `text`, which is that of the file at `path`, each with a value that it takes, or `null`.
fn checked_keys(text: &str, path: &Path) -> Result<Mapping, Diagnostics> {
    let at = |problem: SettingsProblem, (line, column)| Diagnostic::from(problem).at(path, line, column);
    let document = yaml::parsed(text).map_err(|Fault { error, line, column }| {
        let twice = twice(text).map(|(key, line)| at(SettingsProblem::Twice { key }, (Some(line), None)));
        let twice: Vec<Diagnostic> = twice.collect();
        if !twice.is_empty() {
            return Diagnostics(twice);
        }
        Diagnostics(vec![at(SettingsProblem::Invalid { error }, (line, column))])
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

/// The keys at the beginning of a line that an earlier line has as well, with their lines.
fn twice(text: &str) -> impl Iterator<Item = (String, u32)> {
    let mut known = BTreeSet::new();
    let keys = text.lines().zip(1..).filter_map(|(line, number)| {
        let key = line.split_once(':')?.0.trim_end().trim_matches(['"', '\'']);
        (!line.starts_with([' ', '#', '-', '{'])).then(|| (key.to_owned(), number))
    });
    keys.filter(move |(key, _)| !known.insert(key.clone()))
}

/// The keys, as they are written in the file, and what each takes.
const KEYS: [(&str, Takes); 16] = [
    ("source", Takes::AbsolutePath),
    ("host", Takes::Name),
    ("hardware-config", Takes::PathInTree),
    ("extra-files", Takes::AbsolutePath),
    ("nixpkgs", Takes::AbsolutePath),
    ("channels", Takes::AbsolutePath),
    ("target", Takes::AbsolutePath),
    ("medium", Takes::Addresses),
    ("public-key", Takes::PublicKeys),
    ("online", Takes::Switch),
    ("no-bootloader", Takes::Switch),
    ("not-covered", Takes::Features),
    ("offline-rebuild", Takes::AbsolutePath),
    ("set", Takes::Answers),
    ("choices", Takes::AbsolutePath),
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
        // It would be the running system, and the installer refuses it.
        (Takes::AbsolutePath, Value::String(path)) if key == "target" && Path::new(path).parent().is_none() => {
            return Some(SettingsProblem::RunningSystem);
        }
        (Takes::PathInTree, Value::String(path)) => normal(Path::new(path)).is_some(),
        (Takes::Name, Value::String(name)) => !name.is_empty() && !name.contains(char::is_control),
        (Takes::AbsolutePath, Value::String(_)) | (Takes::Switch, Value::Bool(_)) => true,
        (Takes::Answers, Value::Mapping(answers)) => answers
            .iter()
            .all(|(key, value)| key.is_string() && !value.is_mapping() && !value.is_sequence()),
        (Takes::Addresses, value) => texts(value).is_some_and(|texts| texts.into_iter().all(is_url)),
        (Takes::PublicKeys, value) => texts(value).is_some_and(|texts| texts.into_iter().all(is_public_key)),
        (Takes::Features, list) => serde_yaml::from_value::<Vec<NotCovered>>(list.clone()).is_ok(),
        _ => false,
    };
    let found = || match (takes, value) {
        // The log gets what is said of it.
        (Takes::PublicKeys, Value::String(text)) if is_secret_key(text) => "a secret key".to_owned(),
        (Takes::PublicKeys, Value::String(_)) => "another text".to_owned(),
        _ => described(value),
    };
    (!fits).then(|| SettingsProblem::WrongType {
        key,
        takes,
        found: found(),
    })
}

/// A value as a person calls it.
pub fn described(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(value) => format!("the number {value}"),
        Value::String(value) => format!("the text {value:?}"),
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
        known: KEYS.map(|(known, _)| known).into(),
    }
}
