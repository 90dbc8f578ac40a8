//! The public host keys that an installation left on a stick.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use data_encoding::BASE64;

use crate::age_recipient;
use crate::diagnostic::{Diagnostic, EnrolProblem};
use crate::files::{names, read_text};

/// What the files of an installation are called: with what is before and after the name of the machine.
const KEYS: (&str, &str) = ("host-keys-", ".pub");

const LARGEST: u64 = 1 << 20;

/// A machine, and what secrets can be encrypted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineKey {
    /// `HOST_SERIAL`, as an anchor of YAML and as a name in Nix.
    pub name: String,
    /// What it was installed as, in the same form.
    pub host: String,
    /// The ed25519 key in the age form.
    pub recipient: Option<String>,
    /// The key as OpenSSH writes it, without a comment: ed25519 if there is one.
    pub ssh: String,
}

impl MachineKey {
    /// Reads those in `file`. The receipt, which has the host, is beside the files of an installation; another file is that of the
    /// host that it is named after.
    ///
    /// # Errors
    /// When it cannot be read, or has no key.
    pub fn read(file: &Path) -> Result<Self> {
        let text = read_file(file, LARGEST)?;
        let keys = text.lines().filter_map(public_key);
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        let file_name = file.file_name().unwrap_or_default().to_string_lossy();
        let Some(ssh) = keys.into_iter().next() else {
            return Err(Diagnostic::from(EnrolProblem::NoKey).at(file, None, None).into());
        };
        let (host, name) = match machine_of(&file_name) {
            None => {
                let host = word(file_name.trim_end_matches(KEYS.1));
                (host.clone(), host)
            }
            Some(machine) => {
                let host = host_of(&file.with_file_name(format!("receipt-{machine}.json")));
                let machine = word(machine).replace('_', "-");
                match host.map(|host| word(&host)) {
                    Some(host) => (host.clone(), format!("{host}_{machine}")),
                    None => (word(&machine), word(&machine)),
                }
            }
        };
        Ok(Self {
            name,
            host,
            recipient: age_recipient::of_ssh_key(&ssh),
            ssh,
        })
    }

    /// Whether `other` is the host, or has the form of a name of a machine that was installed as it.
    pub fn is_sibling(&self, other: &str) -> bool {
        let host = other.rsplit_once('_').map_or(other, |(host, _)| host);
        other != self.name && (host == self.host || other == self.host)
    }
}

/// Reads a text of at most `limit` bytes.
///
/// # Errors
/// [`EnrolProblem::Unreadable`].
pub fn read_file(file: &Path, limit: u64) -> Result<String> {
    read_text(file, limit).map_err(|error| {
        let error = error.to_string();
        Diagnostic::from(EnrolProblem::Unreadable { error })
            .at(file, None, None)
            .into()
    })
}

/// A public key, whole and without its comment.
fn public_key(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (kind, blob) = (words.next()?, words.next()?);
    let bytes = BASE64.decode(blob.as_bytes()).ok()?;
    let is_key = kind.starts_with("ssh-") && bytes.get(4..).is_some_and(|rest| rest.starts_with(kind.as_bytes()));
    let is_whole = kind != "ssh-ed25519" || age_recipient::of_ssh_key(line).is_some();
    (is_key && is_whole).then(|| format!("{kind} {blob}"))
}

/// The files with keys in a directory.
pub fn in_directory(directory: &Path) -> Vec<PathBuf> {
    let names = names(directory).into_iter();
    names
        .filter(|name| machine_of(name).is_some())
        .map(|name| directory.join(name))
        .collect()
}

fn machine_of(file_name: &str) -> Option<&str> {
    file_name.strip_prefix(KEYS.0)?.strip_suffix(KEYS.1)
}

/// The host in a receipt.
fn host_of(receipt: &Path) -> Option<String> {
    let receipt: serde_json::Value = serde_json::from_slice(&fs::read(receipt).ok()?).ok()?;
    Some(receipt.get("host")?.as_str()?.to_owned())
}

/// `name` in letters that an anchor of YAML (libyaml) and a name of Nix can have.
fn word(name: &str) -> String {
    let word = name.replace(
        |char: char| !char.is_ascii_alphanumeric() && char != '_' && char != '-',
        "-",
    );
    let is_name = word.starts_with(|char: char| char.is_ascii_alphabetic());
    if is_name { word } else { format!("machine-{word}") }
}
