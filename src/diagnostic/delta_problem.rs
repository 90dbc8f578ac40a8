//! `nix-cfg-iso delta`: an update image cannot be made.

use std::path::PathBuf;

use super::{Text, error};
use crate::text::shell_word;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeltaProblem {
    /// What `--since` names is no receipt.
    NotAReceipt { file: PathBuf, error: String },
    /// An earlier version wrote it.
    NoPaths { file: PathBuf },
    /// The machine is none of the image's `hosts`.
    OtherHost { file: PathBuf, host: String, hosts: Vec<String> },
    /// An ISO that installs none of the image's `hosts`.
    NoHost { file: PathBuf, hosts: Vec<String> },
    /// Nothing can be read of the store of an ISO.
    NotOurs { file: PathBuf, error: String },
    BadKey { file: PathBuf },
    PublicKey { file: PathBuf },
    UnreadableKey { file: PathBuf, error: String },
    /// It would be copied with the directory.
    KeyInside { file: PathBuf, dir: PathBuf },
    /// The image would be inside the directory that is built.
    ImageInside { out: PathBuf, dir: PathBuf },
    /// An earlier version wrote it.
    OlderDirectory { dir: PathBuf },
    NothingLacking,
}

impl DeltaProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NotAReceipt { file, error: said } => {
                error("delta-no-receipt", format!("{} is neither a receipt nor an ISO", file.display()))
                    .because(said)
                    .remedy("Name the receipt-SERIAL.json of a stick, or /var/lib/nix-cfg-install/receipt.json of the machine; or the ISO that it was installed from.")
            }
            Self::NoPaths { file } => error("delta-old-receipt", format!("{} does not say what the machine has", file.display()))
                .because("An earlier version of nix-cfg-install wrote it.")
                .remedy("Name the ISO that it was installed from instead. Or update the machine once from the whole ISO: the receipt that this writes says it."),
            Self::OtherHost { file, host, hosts } => {
                error("delta-other-host", format!("{} is of the host {host}, which the ISO does not have", file.display()))
                    .because(format!("It has {}.", hosts.join(", ")))
                    .remedy("Name the directory of that machine's configuration.")
            }
            Self::NoHost { file, hosts } => error("delta-no-host", format!("{} has no system of {}", file.display(), hosts.join(", ")))
                .remedy("Name an earlier ISO of the same configuration."),
            Self::NotOurs { file, error: said } => error("delta-no-iso", format!("{} is no ISO that nix-cfg-iso has made", file.display()))
                .because(said)
                .remedy("Name an earlier ISO of the same configuration. An image that delta has made is none: name the receipts that it was made since."),
            // The command that makes a key overwrites what has these names.
            Self::BadKey { file } => error("delta-bad-key", format!("{} is no secret key of Nix", file.display()))
                .because("It does not have a name, a colon and the key.")
                .remedy("Name the file with the key. A new one, for which each machine needs the public half: \
                         nix-store --generate-binary-cache-key NAME NEW.secret NEW.public"),
            Self::PublicKey { file } => error("delta-bad-key", format!("{} is a public key", file.display()))
                .remedy("Name the file with the secret half."),
            Self::UnreadableKey { file, error: said } => error("delta-bad-key", format!("The key {} cannot be read", file.display()))
                .because(said)
                .remedy("Correct its path, or run the same command as the owner of the key."),
            Self::KeyInside { file, dir } => error("delta-key-inside", format!("{} is inside {}", file.display(), dir.display()))
                .because("Nix copies that directory into its store, which everybody can read.")
                .remedy("Keep the key somewhere else, and make a new one if an ISO was built with it there."),
            Self::ImageInside { out, dir } => error("delta-image-inside", format!("{} would be inside {}", out.display(), dir.display()))
                .because("Nix copies that directory into its store each time it builds the ISO.")
                .remedy("Name a file somewhere else with --out."),
            Self::OlderDirectory { dir } => {
                error("delta-older-directory", format!("{} was written by an earlier version of nix-cfg-iso", dir.display()))
                    .remedy(format!("Write it again, which keeps your edits: nix-cfg-iso update {}", shell_word(dir.as_os_str())))
            }
            Self::NothingLacking => error("delta-nothing", "These machines lack nothing of the ISO")
                .remedy("Change the configuration, and copy it with nix-cfg-iso refresh. What was built on a machine is built there again."),
        }
    }
}
