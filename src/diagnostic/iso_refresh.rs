//! The configuration in an ISO directory, and the directory that it was copied from.

use std::path::PathBuf;

use super::{Text, error, warning};
use crate::text::{one_line, shell_word};

/// How the two differ, or why the configuration is not taken again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoRefreshProblem {
    /// Since the copy was made: `there` are the changes of the directory `from`, as lines; `here` are the files that were changed in
    /// the copy.
    /// `writable`: whether this user can change the ISO directory.
    Differs { dir: PathBuf, from: String, there: Vec<String>, here: Vec<String>, writable: bool },
    /// Nothing says where it was copied from: an earlier version of the program wrote the ISO directory `dir`.
    NoOrigin { dir: PathBuf },
    /// It is not on this machine.
    OriginMissing { dir: PathBuf, from: String },
    /// It is a flake now and was none, or the other way round.
    OtherKind { is_flake: bool },
    /// A configuration is to be copied into the ISO directory `dir` of stock NixOS.
    Stock { dir: PathBuf },
    /// These files of the copy were changed there, and would be lost. `recorded`: whether that is certain.
    EditsLost { dir: PathBuf, from: String, files: Vec<String>, recorded: bool },
}

impl IsoRefreshProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Differs { dir, from, there, here, writable } => {
                let dir = word(dir);
                let text = differs(&dir, from, there, here);
                if *writable { text } else { text.remedy(format!("You cannot write to {dir}: refresh a copy of it, or as its owner.")) }
            }
            Self::NoOrigin { dir } => {
                error("origin-unknown", format!("{} does not say where its configuration was copied from", dir.display()))
                    .because("An earlier version of nix-cfg-iso wrote it.")
                    .remedy(format!("Name the directory: nix-cfg-iso refresh {} --config TREE", word(dir)))
            }
            Self::OriginMissing { dir, from } => {
                error("origin-missing", format!("{from}, which the configuration was copied from, is not there"))
                    .because("It was moved, or the ISO directory was written on another machine.")
                    .remedy(format!("Name the directory: nix-cfg-iso refresh {} --config TREE", word(dir)))
            }
            Self::OtherKind { is_flake } => {
                let (now, then) = if *is_flake {
                    ("a flake", "a channel configuration")
                } else {
                    ("a channel configuration", "a flake")
                };
                error("origin-kind", format!("The configuration is {now} now, and the ISO directory is for {then}"))
                    .because("The flake of the ISO is another one for each of the two kinds.")
                    .remedy("Write a new directory with `nix-cfg-iso init`.")
            }
            Self::Stock { dir } => {
                error("origin-stock", format!("{} is for stock NixOS, and not for a configuration of your own", dir.display()))
                    .remedy("Write another directory: nix-cfg-iso init DIR --config TREE")
            }
            Self::EditsLost { dir, from, files, recorded } => {
                let what = if *recorded {
                    format!("Files of the configuration in {} were edited there", dir.display())
                } else {
                    format!("Files of the configuration in {} may have been edited there", dir.display())
                };
                error("edits-lost", what)
                    .because(format!("{from} does not have these edits, which would be lost:{}", list(files)))
                    .remedy(format!(
                        "Make the edits in {from}, and run the command again; or add --discard-edits to give them up."
                    ))
            }
        }
    }
}

fn differs(dir: &str, from: &str, there: &[String], here: &[String]) -> Text {
    let mut why = Vec::new();
    if !there.is_empty() {
        why.push(format!("Changed in {from} since it was copied:{}", list(there)));
    }
    if !here.is_empty() {
        why.push(format!("Edited in the copy, which is what the ISO gets:{}", list(here)));
    }
    let remedy = if here.is_empty() {
        format!("`nix-cfg-iso refresh {dir}` copies it again.")
    } else {
        format!("Make the edits of the copy in {from}; `nix-cfg-iso refresh {dir}` copies it again.")
    };
    warning("origin-differs", format!("The configuration on the ISO is not that in {from}"))
        .because(why.join("\n"))
        .remedy(remedy)
}

/// How many files are named.
const SHOWN: usize = 20;

/// A line for each file.
fn list(files: &[String]) -> String {
    let lines = files.iter().take(SHOWN).map(|file| format!("\n  {}", one_line(file)));
    let more = match files.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    lines.collect::<String>() + &more
}

fn word(path: &std::path::Path) -> String {
    shell_word(path.as_os_str())
}
