//! Programs that fail: Nix, and those that are started beside it.

use super::supply::needed_for;
use super::{Text, error};
use crate::memory::Memory;
use crate::text::{bytes, shell_word};

/// Why a program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramProblem {
    /// `line`: the command line; `end`: how the program ended, as the predicate of a sentence.
    Failed { line: String, end: String },
    /// The program `nix` does not exist.
    NoNix,
    /// The program does not exist. `line`: the command line that needs it.
    Missing { program: String, line: String },
    NotStarted { program: String, reason: String },
    /// Something killed `program` (SIGKILL). `for_memory`: whether the kernel reports that it killed a process for want of
    /// memory meanwhile, where that is known.
    Killed { program: String, for_memory: Option<bool>, memory: Option<Memory> },
    /// Nix got no memory.
    OutOfMemory,
    DiskFull,
    /// `path`: what could not be written, if the program names it.
    ReadOnly { path: Option<String> },
    /// `name`: of the derivation; `last_line`: of the builder's log; `wanted_by`: what could not be built for that reason.
    BuilderFailed { name: String, last_line: Option<String>, wanted_by: Vec<String> },
    /// nixpkgs refuses this Nix: `needs` in its words, `version` the oldest that will do, `here` the one that runs.
    NixTooOld { needs: String, version: Option<String>, here: Option<String> },
    /// The configuration cannot be mounted at `place` for the evaluation.
    NotMounted { place: &'static str },
    /// The report of this machine was not printed.
    NotDescribed { error: String },
    /// An error that no rule knows. `error`: its last message.
    Unknown { error: String },
}

impl ProgramProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Failed { line, end } => error("program-failed", format!("`{line}` {end}")),
            Self::NoNix => error("no-nix", "Nix is not installed on this machine")
                .because("There is no program `nix` in PATH.")
                .remedy(
                    "Install Nix (https://nixos.org/download), or use a machine that has it: nix-cfg-install runs in a NixOS live \
                     system. If it is installed, start this from a shell in which `nix --version` works; sudo can change PATH.",
                ),
            Self::Missing { program, line } => {
                error("program-missing", format!("The program `{program}` is not on this system"))
                    .because(format!("It is needed for: {line}"))
                    .remedy("Run this where that program is. A NixOS live system has everything that installs a system.")
            }
            Self::NotStarted { program, reason } => error(
                "program-missing",
                format!("The program `{program}` cannot be started: {reason}"),
            ),
            Self::Killed { program, for_memory, memory } => killed(program, *for_memory, memory.as_ref()),
            Self::OutOfMemory => error("out-of-memory", "The memory is not enough for Nix")
                .because("Nix evaluates the configuration and builds the system in the memory of the live system.")
                .remedy(ADD_MEMORY),
            Self::DiskFull => error("disk-full", "There is no space left")
                .because("Either the target is too small for this system, or the live system's memory, where it is built, is full.")
                .remedy("`df -h` shows which. Use a larger disk or more memory (or swap) and run the command again."),
            Self::ReadOnly { path } => error(
                "read-only",
                match path {
                    Some(path) => format!("The file system is read-only: {path}"),
                    None => "The file system is read-only".to_owned(),
                },
            )
            .because("It was mounted so, or the kernel remounted it because it is damaged.")
            .remedy(format!(
                "Run `dmesg` to see whether the disk failed. If it did not, mount it writable: mount -o remount,rw {}",
                match path {
                    Some(path) => format!("\"$(findmnt -no TARGET --target {})\"", shell_word(path.as_ref())),
                    None => "DIRECTORY (`findmnt` lists them)".to_owned(),
                }
            )),
            Self::BuilderFailed { name, last_line, wanted_by } => {
                error("builder-failed", format!("Building {name} failed"))
                    .because(format!(
                        "Its builder stopped with an error; its last lines are below.{}{}",
                        last_line.as_ref().map_or_else(String::new, |line| format!(" The last one: {line}.")),
                        needed_for(wanted_by)
                    ))
                    .remedy("Fix or remove it in the configuration. The log contains the builder's output.")
            }
            Self::NixTooOld { needs, version, here } => nix_too_old(needs, version.as_deref(), here.as_deref()),
            Self::NotMounted { place } => {
                error("not-evaluated", format!("The configuration cannot be mounted at {place}"))
                    .because("It is evaluated there, where the installed system will have it; only Nix sees this mount.")
                    .remedy("Run this as root in a live system, not in a container that may not mount.")
            }
            Self::NotDescribed { error: words } => error("not-described", "The report of this machine was not printed").because(words),
            Self::Unknown { error: words } => {
                error("unknown", words).remedy("What led to it is in the log, where one is written.")
            }
        }
    }
}

fn nix_too_old(needs: &str, version: Option<&str>, here: Option<&str>) -> Text {
    error(
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
    )
}

/// What to do where memory ran out. A live system of NixOS has all of these programs (util-linux).
const ADD_MEMORY: &str = "Use a machine with more memory, or add swap and run the command again. In compressed memory: \
    modprobe zram && zramctl --find --size 4G, then mkswap and swapon for the device that it prints. On an empty partition: \
    mkswap PARTITION && swapon PARTITION.";

fn killed(program: &str, for_memory: Option<bool>, memory: Option<&Memory>) -> Text {
    let has = memory.map_or_else(String::new, |memory| {
        let (total, swap) = (bytes(memory.total), bytes(memory.swap));
        format!(" This machine has {total} of memory and {swap} of swap.")
    });
    let (end, why) = match for_memory {
        Some(true) => (
            "was killed because the memory ran out",
            "The kernel killed a process for want of memory while it ran.",
        ),
        Some(false) => (
            "was killed",
            "The kernel did not kill it for want of memory: a person did, or a service such as systemd-oomd, which does so before memory runs out.",
        ),
        None => (
            "was killed, most likely because the memory ran out",
            "It received SIGKILL, which the kernel sends when there is no memory left.",
        ),
    };
    error("program-killed", format!("{program} {end}"))
        .because(format!("{why}{has}"))
        .remedy(ADD_MEMORY)
}
