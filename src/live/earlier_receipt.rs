//! What an earlier installation or update wrote of itself: the receipt.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answers::Answers;
use super::installer_facts::InstallerFacts;
use super::placement::Placement;
use super::target::Target;
use crate::diagnostic::UpdateProblem;
use crate::nix::identity::Identity;
use crate::tree::fingerprint::Fingerprint;
use crate::tree::source::ConfigKind;

/// What an update takes from it.
#[derive(Clone)]
pub struct Receipt {
    /// When it was finished (RFC 3339).
    pub finished: String,
    pub kind: ConfigKind,
    pub host: Option<String>,
    /// The toplevel of the live system that it was installed from; as `tree`.
    pub live_system: Option<String>,
    /// Which ISO it was ([`super::disk_mark::IsoIdentity`]), with its configuration and settings; as `tree`.
    pub iso: Option<String>,
    /// What was answered and is applied.
    pub chosen: Answers,
    /// What its configuration.nix says of the machine, where it has the part for it; as `tree`.
    pub machine: Option<InstallerFacts>,
    /// The files of the configuration, also of an update that was cut off when it had placed them; one that an earlier version wrote does
    /// not have them.
    pub tree: Option<Fingerprint>,
    /// As `tree`.
    pub identity: Identity,
    /// The store paths of the system, and of what is kept besides it; as `tree`.
    pub paths: Option<BTreeSet<String>>,
}

impl Receipt {
    /// That of the system at `target`.
    ///
    /// # Errors
    /// [`UpdateProblem::NoReceipt`] when there is none; [`UpdateProblem::BadReceipt`] when it cannot be read.
    pub fn load(target: &Target) -> Result<Self, UpdateProblem> {
        let path = target.receipt();
        let bad = |error: String| UpdateProblem::BadReceipt {
            path: path.clone(),
            error,
        };
        let text = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => UpdateProblem::NoReceipt { path: path.clone() },
            _ => bad(error.to_string()),
        })?;
        let receipt = Self::parse(&text).map_err(bad)?;
        // The check reports one that is damaged.
        let placed = Placement::load(target).ok().flatten();
        let Some(placed) = placed else { return Ok(receipt) };
        Ok(Self {
            tree: placed.files(target).cloned().or(receipt.tree),
            chosen: placed.chosen.unwrap_or(receipt.chosen),
            machine: placed.machine,
            ..receipt
        })
    }

    /// Reads the text of one.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let kind = take(&value["kind"]).ok_or("It does not say what was installed.")?;
        let word = |key: &str| value[key].as_str().map(str::to_owned);
        Ok(Self {
            finished: word("finished").unwrap_or_default(),
            kind,
            host: word("host"),
            live_system: word("live_system"),
            iso: word("iso"),
            chosen: take(&value["choices"]["taken"]).unwrap_or_default(),
            machine: None,
            tree: take(&value["tree"]),
            identity: take(&value["identity"]).unwrap_or_default(),
            paths: take(&value["paths"]),
        })
    }
}

fn take<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}
