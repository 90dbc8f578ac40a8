//! What can stand in a hardware-configuration.nix: read from the program that writes it (`iso::emitted`), and found in a file.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::syntax::{NixFile, TokenKind};

/// What one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureKind {
    /// An option that is switched on: `hardware.parallels.enable`.
    Attribute,
    /// A module below `modulesPath`: `/profiles/qemu-guest.nix`.
    Import,
    /// A package: `config.boot.kernelPackages.broadcom_sta`.
    Package,
    /// The type of a file system: `zfs`.
    Filesystem,
}

/// One thing that can stand in a hardware-configuration.nix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Feature {
    /// What it is.
    pub kind: FeatureKind,
    /// Its name.
    pub name: String,
}

/// Something that the image was made without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCovered {
    /// What.
    #[serde(flatten)]
    pub feature: Feature,
    /// Why, to be read after a colon.
    pub reason: String,
}

impl fmt::Display for Feature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FeatureKind::Attribute => "attribute",
            FeatureKind::Import => "import",
            FeatureKind::Package => "package",
            FeatureKind::Filesystem => "filesystem",
        };
        write!(out, "{} ({kind})", self.name)
    }
}

/// Values that ask for nothing. A list that nixos-generate-config writes for every machine is empty on most.
const NOTHING: [&str; 5] = ["false", "null", "[]", "{}", "\"\""];

impl Feature {
    /// Whether a hardware configuration asks for it, in the form in which nixos-generate-config (24.05) writes it. Comments
    /// and options that are set to `false` or to an empty value do not count.
    #[must_use]
    pub fn is_in(&self, nix: &str) -> bool {
        let file = NixFile::parse(nix);
        let tokens = file.tokens().filter(|token| token.kind != TokenKind::Blank);
        let code: String = tokens.map(|token| token.text).collect();
        let name = &self.name;
        match self.kind {
            FeatureKind::Attribute => after(&code, &format!("{name}="))
                .filter_map(|rest| rest.split(';').next())
                .map(|value| {
                    value
                        .trim_start_matches("lib.mkDefault")
                        .trim_start_matches("lib.mkForce")
                })
                .any(|value| !NOTHING.contains(&value)),
            FeatureKind::Import => code.contains(&format!("\"{name}\"")),
            // Not the beginning of a longer name.
            FeatureKind::Package => after(&code, name)
                .any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || "_-".contains(next))),
            FeatureKind::Filesystem => code.contains(&format!("fsType=\"{name}\"")),
        }
    }
}

/// What follows each `needle` that is not the end of a longer name.
fn after<'a>(code: &'a str, needle: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(needle).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let part = before.is_some_and(|char| char.is_alphanumeric() || "_-.".contains(char));
        (!part).then(|| &code[at + needle.len()..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
{ config, lib, pkgs, modulesPath, ... }:
{
  imports = [ (modulesPath + "/profiles/qemu-guest.nix") ];
  # hardware.parallels.enable = true;
  boot.extraModulePackages = [ config.boot.kernelPackages.broadcom_sta ];
  fileSystems."/" =
    { device = "rpool/root";
      fsType = "zfs";
    };
  virtualisation.virtualbox.guest.enable = false;
  hardware.gadgets = [ ];
  hardware.dongle.enable = lib.mkDefault false;
  hardware.levels = { low = [ ]; };
  virtualisation.hypervGuest.enable = lib.mkDefault true;
}
"#;

    #[test]
    fn what_a_hardware_configuration_asks_for_is_found_and_comments_and_false_are_not() {
        let is_in = |kind, name: &str| {
            Feature {
                kind,
                name: name.into(),
            }
            .is_in(FILE)
        };
        assert!(is_in(FeatureKind::Import, "/profiles/qemu-guest.nix"));
        assert!(is_in(FeatureKind::Package, "config.boot.kernelPackages.broadcom_sta"));
        assert!(is_in(FeatureKind::Filesystem, "zfs"));
        assert!(is_in(FeatureKind::Attribute, "virtualisation.hypervGuest.enable"));
        assert!(!is_in(FeatureKind::Attribute, "hardware.parallels.enable"));
        assert!(!is_in(FeatureKind::Attribute, "virtualisation.virtualbox.guest.enable"));
        assert!(!is_in(FeatureKind::Attribute, "hardware.gadgets"));
        assert!(!is_in(FeatureKind::Attribute, "hardware.dongle.enable"));
        assert!(is_in(FeatureKind::Attribute, "hardware.levels"));
        assert!(is_in(FeatureKind::Attribute, "boot.extraModulePackages"));
        assert!(!is_in(FeatureKind::Attribute, "hypervGuest.enable"));
        assert!(!is_in(FeatureKind::Package, "config.boot.kernelPackages.broadcom"));
        assert!(!is_in(FeatureKind::Filesystem, "btrfs"));
        assert!(!is_in(FeatureKind::Filesystem, "z"));
    }
}
