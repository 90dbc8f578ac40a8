//! The values that the keys of an answers file take.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::identifier::{is_placeholder, normal};
use crate::cache::{is_public_key, is_secret_key, is_url};
use crate::diagnostic::AnswersFileProblem;
use crate::settings::described;
use crate::text::bytes;
use crate::tree::fingerprint::Side;

/// What was read, or everything that is wrong with it.
pub(super) type Read<T> = Result<T, Vec<AnswersFileProblem>>;

/// Where the passphrase comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Passphrase {
    /// A person types it before anything is written.
    Prompt,
    /// The first line of this file.
    File(PathBuf),
}

/// What is done with a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Install,
    /// The system that an earlier ISO has installed is brought to this one's.
    Update,
}

/// What happens when the system is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum After {
    #[default]
    Stay,
    Reboot,
    PowerOff,
}

/// The disks that are erased.
#[derive(Debug, PartialEq, Eq)]
pub enum Disks {
    One(Selection),
    /// By their names in `disko.devices.disk`.
    Named(Vec<(String, Selection)>),
}

/// Which disks, as text.
impl fmt::Display for Disks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(selection) => selection.fmt(f),
            Self::Named(all) => all.iter().try_for_each(|(name, one)| write!(f, "{name}={one} ")),
        }
    }
}

/// Which disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// There must be no other.
    Only,
    /// There must be no other of that size.
    Largest,
    /// The only one that has this many bytes.
    AtLeast(u64),
    /// A link that stays when a disk is added or removed.
    Path(PathBuf),
}

/// As it is in the file.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("only"),
            Self::Largest => f.write_str("largest"),
            Self::AtLeast(size) => write!(f, ">= {}", bytes(*size)),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

fn wrong(key: &str, takes: &'static str, value: &Value) -> Vec<AnswersFileProblem> {
    let is_empty = value.as_sequence().is_some_and(Vec::is_empty);
    let found = if is_empty {
        "an empty list".to_owned()
    } else {
        described(value)
    };
    let key = key.to_owned();
    vec![AnswersFileProblem::WrongValue { key, takes, found }]
}

/// All values, or all problems.
fn all<T, C: FromIterator<T>>(values: impl Iterator<Item = Read<T>>) -> Read<C> {
    let (mut read, mut problems) = (Vec::new(), Vec::new());
    for value in values {
        match value {
            Ok(value) => read.push(value),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() {
        Ok(read.into_iter().collect())
    } else {
        Err(problems)
    }
}

pub(super) fn name(key: &str, value: &Value) -> Read<String> {
    let name = value
        .as_str()
        .filter(|name| !name.is_empty() && !name.contains(char::is_control));
    name.map(str::to_owned).ok_or_else(|| wrong(key, "a name", value))
}

/// What `one` makes of the value, or of each in a list of them.
fn each(value: &Value, one: impl Fn(&Value) -> Read<String>) -> Read<Vec<String>> {
    match value {
        Value::Sequence(several) if !several.is_empty() => all(several.iter().map(one)),
        _ => Ok(vec![one(value)?]),
    }
}

pub(super) fn addresses(value: &Value) -> Read<Vec<String>> {
    let takes = "the address of a binary cache, such as `https://cache.example`, or a list of them";
    each(value, |value| {
        let address = value.as_str().filter(|text| is_url(text));
        address.map(str::to_owned).ok_or_else(|| wrong("medium", takes, value))
    })
}

/// What is none may be the secret key, which no message repeats.
pub(super) fn public_keys(value: &Value) -> Read<Vec<String>> {
    each(value, |value| {
        let text = value.as_str().unwrap_or_default();
        if is_public_key(text) {
            return Ok(text.to_owned());
        }
        let is_secret = is_secret_key(text);
        Err(vec![AnswersFileProblem::NoPublicKey { is_secret }])
    })
}

pub(super) fn truth(key: &str, value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| wrong(key, "true or false", value))
}

pub(super) fn path(key: &str, value: &Value, directory: &Path) -> Read<PathBuf> {
    let path = value.as_str().filter(|path| !path.is_empty());
    path.map(|path| directory.join(path))
        .ok_or_else(|| wrong(key, "a path", value))
}

pub(super) fn mode(value: &Value) -> Read<Mode> {
    match value.as_str() {
        Some("install") => Ok(Mode::Install),
        Some("update") => Ok(Mode::Update),
        _ => Err(wrong("mode", "install or update", value)),
    }
}

pub(super) fn side(value: &Value) -> Read<Side> {
    match value.as_str() {
        Some("mine") => Ok(Side::Mine),
        Some("new") => Ok(Side::New),
        _ => Err(wrong("take", "mine or new", value)),
    }
}

pub(super) fn after(value: &Value) -> Read<After> {
    match value.as_str() {
        Some("stay") => Ok(After::Stay),
        Some("reboot") => Ok(After::Reboot),
        Some("power-off") => Ok(After::PowerOff),
        _ => Err(wrong("after", "reboot, power-off or stay", value)),
    }
}

pub(super) fn passphrase(value: &Value, directory: &Path) -> Read<Passphrase> {
    let file = value
        .as_mapping()
        .filter(|keys| keys.len() == 1)
        .and_then(|keys| keys.get("file"));
    match (value.as_str(), file) {
        (Some("prompt"), _) => Ok(Passphrase::Prompt),
        (_, Some(file)) => Ok(Passphrase::File(path("file", file, directory)?)),
        // It may be the passphrase itself, which no message repeats.
        _ => Err(vec![AnswersFileProblem::WrongValue {
            key: "passphrase".to_owned(),
            takes: "`prompt` or `{ file: PATH }`",
            found: "something else".to_owned(),
        }]),
    }
}

/// As text; what they may be is checked with those of the command line.
pub(super) fn answers(value: &Value) -> Read<BTreeMap<String, String>> {
    const TAKES: &str = "keys with single values, such as `{ timezone: Europe/Berlin }`";
    let pair = |(key, value): (&Value, &Value)| {
        let key = key.as_str().ok_or_else(|| wrong("set", TAKES, key))?;
        let value = match value {
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::String(value) => value.clone(),
            other => return Err(wrong(key, "a single value", other)),
        };
        Ok((key.to_owned(), value))
    };
    let pairs = value.as_mapping().ok_or_else(|| wrong("set", TAKES, value))?;
    all(pairs.iter().map(pair))
}

pub(super) fn disks(value: &Value) -> Read<Disks> {
    const TAKES: &str = "`only`, `largest`, a size such as `\">= 200 GB\"`, a path in /dev/disk/by-id, or names of disko's disks with these";
    match value {
        Value::String(text) => Ok(Disks::One(
            selection(text).map_err(|name| disk(name, "disks", TAKES, value))?,
        )),
        Value::Mapping(named) if !named.is_empty() => {
            let one = |(name, value): (&Value, &Value)| {
                let name = name.as_str().ok_or_else(|| wrong("disks", TAKES, name))?;
                let text = value.as_str().ok_or_else(|| wrong(name, TAKES, value))?;
                let selection = selection(text).map_err(|kernel| disk(kernel, name, TAKES, value))?;
                Ok((name.to_owned(), selection))
            };
            Ok(Disks::Named(all(named.iter().map(one))?))
        }
        _ => Err(wrong("disks", TAKES, value)),
    }
}

fn disk(kernel_name: Option<String>, key: &str, takes: &'static str, value: &Value) -> Vec<AnswersFileProblem> {
    match kernel_name {
        Some(name) => vec![AnswersFileProblem::KernelName { name }],
        None => wrong(key, takes, value),
    }
}

/// # Errors
/// The name of a device that may change with the next start; `None` if it is not the name of a device.
fn selection(text: &str) -> Result<Selection, Option<String>> {
    match text {
        "only" => Ok(Selection::Only),
        "largest" => Ok(Selection::Largest),
        _ if ["/dev/disk/by-id/", "/dev/disk/by-path/"]
            .iter()
            .any(|lasting| text.starts_with(lasting)) =>
        {
            Ok(Selection::Path(text.into()))
        }
        _ if text.starts_with("/dev/") => Err(Some(text.to_owned())),
        _ => text
            .strip_prefix(">=")
            .and_then(size)
            .map(Selection::AtLeast)
            .ok_or(None),
    }
}

/// Bytes, as they are on the label of a disk: `200 GB`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // It is neither negative nor too large.
fn size(text: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 5] = [
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
    ];
    let (unit, factor) = UNITS.into_iter().find(|(unit, _)| text.trim_end().ends_with(unit))?;
    let number: f64 = text.trim_end().strip_suffix(unit)?.trim().parse().ok()?;
    (number > 0.0 && number < 1e6).then_some((number * factor) as u64)
}

/// One identifier of a machine, or several.
pub(super) fn identifiers(kind: &str, value: &Value) -> Read<Vec<String>> {
    let takes = match kind {
        "mac" => "addresses such as \"52:54:00:12:34:56\"",
        "uuid" => "UUIDs such as \"4c4c4544-0042-3510-8053-b4c04f4d3332\"",
        _ => "serial numbers, in quotes",
    };
    let one = |value: &Value| {
        let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
        let text = text.and_then(|text| normal(kind, text));
        match text {
            // No machine is known by it, and the entry for all others would be for the one that was meant.
            Some(value) if is_placeholder(&value) => {
                let kind = kind.to_owned();
                Err(vec![AnswersFileProblem::Placeholder { kind, value }])
            }
            text => text.ok_or_else(|| wrong(kind, takes, value)),
        }
    };
    each(value, one)
}
