//! `nix-cfg-iso customize`: the file to write.

use std::path::PathBuf;

use super::{Text, error};
use crate::text::{bytes, shell_word};

/// Why the changed ISO cannot be written where it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoOutputProblem {
    /// It names a directory.
    IsDirectory { out: PathBuf },
    /// `-`
    IsStdout,
    /// Its directory does not exist, or cannot be used.
    Directory { directory: PathBuf, error: String },
    /// It is the ISO.
    SameFile { out: PathBuf },
    Exists { out: PathBuf },
    NoRoom { directory: PathBuf, needed: u64, free: u64 },
}

impl IsoOutputProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::IsDirectory { out } => {
                error("output-directory", format!("{} is the name of a directory", out.display()))
                    .remedy(format!("Name the file to write: {}", shell_word(out.join("NAME.iso").as_os_str())))
            }
            Self::IsStdout => error("output-stdout", "The new ISO cannot be written to stdout")
                .because("What was written is compared with the original.")
                .remedy("Name the file to write; one that is called - is ./-"),
            Self::Directory { directory, error: why } => {
                error("output-directory", format!("The new ISO cannot be written to {}", directory.display()))
                    .because(why)
                    .remedy("Name a file in a directory that exists.")
            }
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
        }
    }
}
