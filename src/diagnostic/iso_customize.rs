//! `nix-cfg-iso customize`: an ISO that cannot be changed, and a copy that cannot be written.

use std::path::PathBuf;

use super::{Text, error, warning};
use crate::text::{bytes, shell_word};

/// Why a finished ISO cannot be changed, or what its copy lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomizeProblem {
    /// It has no volume descriptor of ISO 9660.
    NotAnIso { file: PathBuf },
    /// It is the ISO of something else: it has no `lacking`.
    NotOurs { file: PathBuf, lacking: &'static str },
    /// Its installer was made before it read settings from the ISO.
    ReadsNoSettings { file: PathBuf },
    SameFile { out: PathBuf },
    Exists { out: PathBuf },
    NoRoom { directory: PathBuf, needed: u64, free: u64 },
    NoXorriso,
    /// What starts a machine is another than in the original: the lines of xorriso's report that are `gone` and `new`.
    BootChanged { gone: Vec<String>, new: Vec<String> },
    /// The original has a checksum for checkisomd5, and implantisomd5 is not here.
    NoChecksum { out: PathBuf },
    /// The ISO was made for a flake (or for a channel configuration), and the new one is the other.
    OtherKind { is_flake: bool },
}

impl CustomizeProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NotAnIso { file } => error("not-an-iso", format!("{} is not an ISO image", file.display()))
                .because("It has no volume descriptor of ISO 9660. A compressed image must be decompressed first.")
                .remedy("Name the image, which `nix build` leaves as result/iso/NAME.iso."),
            Self::NotOurs { file, lacking } => error(
                "not-our-iso",
                format!("{} is not an ISO that installs your own configuration", file.display()),
            )
            .because(format!("It has no {lacking}."))
            .remedy("Name an ISO that was built with nix-cfg-iso or mkOfflineIso."),
            Self::ReadsNoSettings { file } => error(
                "iso-reads-no-settings",
                format!("The installer on {} does not read settings from the ISO", file.display()),
            )
            .because("It is of an earlier version, whose settings are in the compressed live system alone.")
            .remedy("Run `nix-cfg-iso update`, and build the ISO again. The configuration (--config) can be changed on this one."),
            Self::SameFile { out } => error("iso-is-output", format!("{} is the ISO itself", out.display()))
                .because("The ISO is only read; the changed one is written beside it.")
                .remedy("Name another file to write."),
            Self::Exists { out } => error("output-exists", format!("{} exists", out.display()))
                .because("Existing files are not overwritten.")
                .remedy("Name a new file, or remove this one. Write the new image to a USB stick afterwards."),
            Self::NoRoom { directory, needed, free } => {
                error("no-room-for-iso", format!("There is not enough space in {}", directory.display()))
                    .because(format!("The image takes {}, and {} are free.", bytes(*needed), bytes(*free)))
                    .remedy("Free some space, or name a file on another file system.")
            }
            Self::NoXorriso => error("no-xorriso", "The program `xorriso` is not installed")
                .because("It writes the changed ISO.")
                .remedy("`nix shell nixpkgs#xorriso`, or the package `xorriso` of your distribution, and run the command again."),
            Self::BootChanged { gone, new } => error("iso-would-not-boot", "xorriso changed what starts a machine from this ISO")
                .because(format!(
                    "The original has: {}. The copy has: {}.",
                    gone.join("; "),
                    new.join("; ")
                ))
                .remedy("Use another version of xorriso (`nix shell nixpkgs#xorriso`). Nothing was written."),
            Self::NoChecksum { out } => warning("no-iso-checksum", "The new ISO has no checksum for checkisomd5")
                .because("The original has one, and the program `implantisomd5` is not installed.")
                .remedy(format!("Install it (isomd5sum), and run: implantisomd5 {}", shell_word(out.as_os_str()))),
            Self::OtherKind { is_flake } => {
                let (old, new) = if *is_flake {
                    ("channel configuration", "flake, whose inputs")
                } else {
                    ("flake", "channel configuration, whose nixpkgs")
                };
                warning("other-kind", format!("This ISO was made for a {old}"))
                    .because(format!("The new configuration is a {new} the ISO probably does not have."))
                    .remedy("Run `nix-cfg-install --check` on the ISO, or build an ISO for this configuration with `nix-cfg-iso init`.")
            }
        }
    }
}
