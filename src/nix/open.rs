//! What a configuration leaves open of what an installer can ask, as [`decided.nix`](EXPRESSION) reads it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A function from a NixOS evaluation to [`Open`].
pub const EXPRESSION: &str = concat!("(", include_str!("../../nix/decided.nix"), ")");

/// A module by which [`Open::imported`] shows whether the configuration imports the file that it is in.
pub const PROBE: &str = "{ lib.nix-cfg-install = { }; }\n";

/// What is decided, and what the answers depend on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // Each is a value of the configuration.
pub struct Open {
    /// The values of the answers that the configuration decides, by their keys; empty where there is no text for one.
    pub decided: BTreeMap<String, String>,
    /// The values of single options, by the keys of the answers.
    pub current: BTreeMap<String, String>,
    /// The normal users, with their descriptions.
    pub users: BTreeMap<String, String>,
    /// The names of the other accounts.
    pub others: Vec<String>,
    /// Whether there is the group `networkmanager`.
    pub networkmanager: bool,
    /// Whether a display manager asks for the password.
    pub display_manager: bool,
    /// Whether it is GDM.
    pub gdm: bool,
    /// `i18n.supportedLocales`.
    pub locales: Option<Vec<String>>,
    /// Whether the configuration sets it.
    pub locales_decided: bool,
    /// Whether it imports [`PROBE`].
    pub imported: bool,
}
