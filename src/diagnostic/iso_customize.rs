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
    /// It serves a room, and installs nothing itself.
    ServesRoom { file: PathBuf },
    /// Its installer was made before it read settings from the ISO.
    ReadsNoSettings { file: PathBuf },
    /// In the words of the system.
    Unreadable { file: PathBuf, error: String },
    /// It is a pipe, a directory or the like.
    NotAFile { file: PathBuf },
    /// It has `length` bytes, and its first sectors say `whole`.
    Truncated { file: PathBuf, length: u64, whole: u64 },
    NoXorriso,
    /// What starts a machine is another than in the original: the lines of xorriso's report that are `gone` and `new`.
    BootChanged { gone: Vec<String>, new: Vec<String> },
    /// The original has a checksum for checkisomd5, and implantisomd5 is not here.
    NoChecksum { out: PathBuf },
    /// The ISO was made for a flake (or for a channel configuration), and the new one is the other.
    OtherKind { is_flake: bool },
    /// The answers file names a file that would be beside it on the ISO, and is not put there.
    NotBrought { file: PathBuf },
}

const NAME_IT: &str = "Name the image, which `nix build` leaves as result/iso/NAME.iso.";

impl CustomizeProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Unreadable { file, error: why } => {
                error("iso-unreadable", format!("{} cannot be read", file.display())).because(why).remedy(NAME_IT)
            }
            Self::NotAFile { file } => error("iso-unreadable", format!("{} is not a file", file.display()))
                .because("An ISO is read several times, and not in order.")
                .remedy(NAME_IT),
            Self::Truncated { file, length, whole } => {
                error("iso-truncated", format!("{} is not complete", file.display()))
                    .because(format!("It has {} of {}.", bytes(*length), bytes(*whole)))
                    .remedy("Copy or build it again.")
            }
            Self::NotAnIso { file } => error("not-an-iso", format!("{} is not an ISO image", file.display()))
                .because("It has no volume descriptor of ISO 9660. A compressed image must be decompressed first.")
                .remedy(NAME_IT),
            Self::NotOurs { file, lacking } => error(
                "not-our-iso",
                format!("{} is not an ISO that installs your own configuration", file.display()),
            )
            .because(format!("It has no {lacking}."))
            .remedy("Name an ISO that was built with nix-cfg-iso or mkOfflineIso."),
            Self::ServesRoom { file } => error("iso-serves-room", format!("{} serves a room", file.display()))
                .because(
                    "What the machines of the room install is in the live system that they start, and their answers are on the stick \
                     NIXCFG: nothing would change for them.",
                )
                .remedy("Change DIR, and build it again: nix build path:DIR#iso.room"),
            Self::ReadsNoSettings { file } => error(
                "iso-reads-no-settings",
                format!("The installer on {} does not read settings from the ISO", file.display()),
            )
            .because("It is of an earlier version, whose settings are in the compressed live system alone.")
            .remedy("Run `nix-cfg-iso update`, and build the ISO again. The configuration (--config) can be changed on this one."),
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
            Self::NotBrought { file } => warning("answers-names-file", format!("The answers file names {}, which is not put on the ISO", file.display()))
                .because("A relative path begins where the answers file is, and whoever has the ISO could read the file.")
                .remedy("Bring the answers file and these files on a stick with the label NIXCFG instead. Extra files for all machines: --extra-files DIR."),
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
