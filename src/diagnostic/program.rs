//! Programs that fail: Nix, and those that are started beside it.

use super::supply::needed_for;
use super::{Text, error};

/// Why a program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramProblem {
    /// `line`: the command line; `end`: how the program ended, as the predicate of a sentence.
    Failed { line: String, end: String },
    /// The program does not exist. `line`: the command line that needs it.
    Missing { program: String, line: String },
    NotStarted { program: String, reason: String },
    DiskFull,
    /// `path`: what could not be written, if the program names it.
    ReadOnly { path: Option<String> },
    /// `name`: of the derivation; `last_line`: of the builder's log; `wanted_by`: what could not be built for that reason.
    BuilderFailed { name: String, last_line: Option<String>, wanted_by: Vec<String> },
    /// nixpkgs refuses this Nix: `needs` in its words, `version` the oldest that will do, `here` the one that runs.
    NixTooOld { needs: String, version: Option<String>, here: Option<String> },
    /// The configuration cannot be mounted at `place` for the evaluation.
    NotMounted { place: &'static str },
    /// An error that no rule knows. `error`: its last message.
    Unknown { error: String },
}

impl ProgramProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Failed { line, end } => error("program-failed", format!("`{line}` {end}")),
            Self::Missing { program, line } => {
                error("program-missing", format!("The program `{program}` is not on this system"))
                    .because(format!("It is needed for: {line}"))
                    .remedy("Run this where Nix is installed. A NixOS live system has everything that installs a system.")
            }
            Self::NotStarted { program, reason } => error(
                "program-missing",
                format!("The program `{program}` cannot be started: {reason}"),
            ),
            Self::DiskFull => error("disk-full", "There is no space left")
                .because("Either the target is too small for this system, or the live system's memory, where it is built, is full.")
                .remedy("`df -h` shows which. Use a larger disk or more memory (or swap) and run the command again: it continues from here."),
            Self::ReadOnly { path } => error(
                "read-only",
                match path {
                    Some(path) => format!("The file system is read-only: {path}"),
                    None => "The file system is read-only".to_owned(),
                },
            )
            .because("It was mounted so, or the kernel remounted it because it is damaged.")
            .remedy("Run `dmesg` to see whether the disk failed. If it did not: mount -o remount,rw TARGET"),
            Self::BuilderFailed { name, last_line, wanted_by } => {
                error("builder-failed", format!("Building {name} failed"))
                    .because(format!(
                        "Its builder stopped with an error; its last lines are below.{}{}",
                        last_line.as_ref().map_or_else(String::new, |line| format!(" The last one: {line}.")),
                        needed_for(wanted_by)
                    ))
                    .remedy("Fix or remove it in the configuration. The log contains the builder's output.")
            }
            Self::NixTooOld { needs, version, here } => error(
                "nix-too-old",
                match version {
                    Some(version) => format!("This nixpkgs needs Nix {version} or newer"),
                    None => format!("This nixpkgs needs a newer Nix: {needs}"),
                },
            )
            .because(match here {
                Some(here) => format!("This is Nix {here}."),
                None => "This Nix is older.".to_owned(),
            })
            .remedy(
                "Use a newer Nix. In a live system: make the ISO again, with a nixpkgs for the live system that is as new \
                 as the configuration's.",
            ),
            Self::NotMounted { place } => {
                error("not-evaluated", format!("The configuration cannot be mounted at {place}"))
                    .because("It is evaluated there, where the installed system will have it; only Nix sees this mount.")
                    .remedy("Run this as root in a live system, not in a container that may not mount.")
            }
            Self::Unknown { error: words } => {
                error("unknown", words).remedy("The log contains everything that led to it.")
            }
        }
    }
}
