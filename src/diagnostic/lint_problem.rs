//! What the files of a configuration show without an evaluation, and what may be wrong with them.

use std::path::PathBuf;

use super::{Text, warning};
use crate::text::one_line;

/// Findings that do not block: the configuration can be installed, though perhaps not as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LintProblem {
    /// A link leads to `target`, as it is written.
    Link { defect: LinkDefect, target: PathBuf },
    /// `first`: some of the links.
    Links { defect: LinkDefect, count: usize, first: Vec<PathBuf> },
    /// `in_flake`: Nix copies the file to the store, used or not.
    PrivateKey { key: PrivateKey, in_flake: bool },
    /// Encrypted by git-crypt. `first`: some of the files.
    Locked { count: usize, first: Vec<PathBuf> },
    /// Directories of submodules that are not checked out.
    EmptySubmodules { count: usize, first: Vec<PathBuf> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkDefect {
    /// It leads out of the configuration.
    Outside,
    /// It leads to something that does not exist.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateKey {
    Ssh,
    Putty,
    Age,
    WireGuard,
    NixSigning,
    Other,
}

impl LintProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Link { defect, target } => {
                let target = target.display();
                defect.text(match defect {
                    LinkDefect::Outside => format!("A link leads out of the configuration, to {target}"),
                    LinkDefect::Broken => format!("A link leads to {target}, which does not exist"),
                })
            }
            Self::Links { defect, count, first } => {
                let text = defect.text(match defect {
                    LinkDefect::Outside => format!("{count} links lead out of the configuration"),
                    LinkDefect::Broken => format!("{count} links lead to something that does not exist"),
                });
                let why = format!("The first: {}. {}", list(first), text.why);
                text.because(why)
            }
            Self::PrivateKey { key, in_flake } => {
                warning("tree-secret", format!("The configuration contains {}", key.name()))
                    .because(if *in_flake {
                        "Nix copies the whole flake to its store, where every user and every program can read it."
                    } else {
                        "Every user of the installed system can read /etc/nixos, and what a configuration uses is in the store, which everybody can read."
                    })
                    .remedy("Remove it from the configuration and make a new key: this one is on the installation medium as well. Keep secrets encrypted, for example with sops-nix or agenix.")
            }
            Self::Locked { count, first } => warning(
                "tree-locked",
                format!("git-crypt has locked files of the configuration: {count}"),
            )
            .because(format!(
                "Nix cannot read them, and programs would get them encrypted. The first: {}.",
                list(first)
            ))
            .remedy("Run `git-crypt unlock` in the configuration, and the same command again. If the system does not read them, there is nothing to do."),
            Self::EmptySubmodules { count, first } => {
                let more = if *count > first.len() { ", …" } else { "" };
                warning(
                    "tree-submodule",
                    format!("Submodules are not checked out: {}{more}", list(first)),
                )
                .because("Their directories are empty; an import from them fails.")
                .remedy("Run `git submodule update --init` in the configuration, and the same command again. If the system does not read them, there is nothing to do.")
            }
        }
    }
}

impl LinkDefect {
    fn text(self, what: String) -> Text {
        let (code, why) = match self {
            Self::Outside => (
                "tree-link-outside",
                "On the installed system, something else may be there, or nothing.",
            ),
            Self::Broken => ("tree-link-broken", "Links are copied as they are."),
        };
        warning(code, what).because(why).remedy("Nothing, if that is intended.")
    }
}

impl PrivateKey {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssh => "a private SSH key",
            Self::Putty => "a private SSH key (PuTTY)",
            Self::Age => "a private age key",
            Self::WireGuard => "a secret WireGuard key",
            Self::NixSigning => "a secret key that Nix signs with",
            Self::Other => "a private key",
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| one_line(&path.to_string_lossy())).collect();
    names.join(", ")
}
