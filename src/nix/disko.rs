//! The layout for disko of a configuration, and the script that makes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::eval::{self, Configuration, Evaluated};
use super::facts::Facts;
use super::literal::string;
use crate::process::Runner;

/// What disko is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Erase the disks, make the layout, mount it.
    Wipe,
    /// Make what is missing of the layout, mount it.
    Format,
    /// Mount it.
    Mount,
}

impl Mode {
    /// What the script is called in `system.build`, and its program (disko 1.9.0, lib/default.nix).
    const fn script(self) -> (&'static str, &'static str) {
        match self {
            Self::Wipe => ("destroyFormatMount", "bin/disko-destroy-format-mount"),
            Self::Format => ("formatMount", "bin/disko-format-mount"),
            Self::Mount => ("mount", "bin/disko-mount"),
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wipe => "wipe",
            Self::Format => "format",
            Self::Mount => "mount",
        }
    }

    /// The program in `out`, the script's output.
    #[must_use]
    pub fn program(self, out: &Path) -> PathBuf {
        out.join(self.script().1)
    }
}

/// A layout.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Layout {
    /// Whether it sets the system's file systems as well (`disko.enableConfig`).
    pub sets_file_systems: bool,
    /// None: the configuration has no layout.
    pub disks: Vec<MadeDisk>,
    /// The names of disks that have a device and nothing else.
    pub unknown: Vec<String>,
    /// Whether this disko has other scripts.
    pub is_old: bool,
    /// The encrypted volumes whose passphrase the script reads from stdin.
    pub asking: Vec<Volume>,
    /// The datasets of ZFS whose passphrase the script has ZFS ask for.
    pub asking_datasets: Vec<String>,
    /// The files with the keys and passphrases of the others, in the live system.
    pub key_files: Vec<String>,
    pub names: Names,
    /// The mount points of file systems that are on none of the disks (`disko.devices.nodev`).
    pub outside: Vec<String>,
    /// `None`: it cannot be evaluated, for one of these reasons.
    pub script: Option<Evaluated>,
}

/// A disk that a layout is made on.
#[derive(Debug, Deserialize)]
pub struct MadeDisk {
    /// Its name in the layout.
    pub name: String,
    pub device: String,
    /// Whether what is on it is lost when the layout is made anew.
    pub destroy: bool,
    /// Whether it gets a partition table.
    pub has_table: bool,
}

/// An encrypted volume.
#[derive(Debug, Deserialize)]
pub struct Volume {
    pub name: String,
    /// The device that it encrypts.
    pub device: String,
}

/// The names by which the scripts find what they made, or believe that they did: none of them says on which disk it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Names {
    /// Devices: `/dev/disk/by-partlabel/disk-main-root`, `/dev/mapper/crypted`.
    pub paths: Vec<String>,
    /// The names of partitions in their table.
    pub partitions: Vec<String>,
    /// The volume groups of LVM.
    pub groups: Vec<String>,
    /// The pools of ZFS.
    pub pools: Vec<String>,
}

/// Evaluates the layout with the disks `chosen` (devices by the names of the layout), to be mounted at `target`. `None`: the
/// flake has no host that fits.
///
/// # Errors
/// An explained [`Diagnostic`](crate::diagnostic::Diagnostic) when the configuration cannot be evaluated.
pub fn layout(
    runner: &Runner,
    configuration: &Configuration,
    (mode, chosen, target): (Mode, &BTreeMap<String, String>, &Path),
) -> Result<Option<Layout>> {
    let expression = format!("(({EXPRESSION}) {})", string(mode.script().0));
    let module = module(chosen, target);
    let asked = (expression.as_str(), Some(module.as_str()));
    let text = eval::ask(runner, configuration, asked, &mut Facts::default(), &mut |_, _| {})?;
    serde_json::from_str(&text).context("Nix printed a layout for disko that is not the JSON that was asked for")
}

const EXPRESSION: &str = include_str!("../../nix/disko-layout.nix");

/// Stronger than `lib.mkForce`, which the hardware configuration uses.
fn module(chosen: &BTreeMap<String, String>, target: &Path) -> String {
    let set = |value: &str| {
        format!(
            "{{ _type = \"override\"; priority = 40; content = {}; }}",
            string(value)
        )
    };
    let mut text = format!("rootMountPoint = {};", set(&target.to_string_lossy()));
    for (name, device) in chosen {
        // Writing to a string cannot fail.
        let _ = write!(text, " devices.disk.{}.device = {};", string(name), set(device));
    }
    format!("({{ options, ... }}: {{ config = if options ? disko then {{ disko = {{ {text} }}; }} else {{ }}; }})")
}
