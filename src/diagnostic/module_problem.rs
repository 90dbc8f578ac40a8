//! A file that the configuration imports is not there, or is not valid Nix.

use std::path::PathBuf;

use super::{Text, error, warning};

/// Why a module cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleProblem {
    /// Its place is the import.
    ImportMissing { wanted: PathBuf },
    Syntax { file: PathBuf, mistake: SyntaxMistake },
    /// A path, as it is written there, leads out of the configuration. `is_read`: Nix tried to read it.
    PathOutside { path: String, is_read: bool },
    /// git-crypt has encrypted a file that Nix reads.
    Locked { file: PathBuf },
    /// `file` would be in `submodule`, which is not checked out.
    InSubmodule { file: PathBuf, submodule: PathBuf },
}

/// What a parser of Nix expects and does not find. Tokens are as a message shows them: `` `;` ``, `a name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntaxMistake {
    Unexpected { found: Option<String>, expected: Vec<String> },
    EndsTooEarly { expected: Vec<String> },
    /// `a@{ … }@b`
    ArgumentsNamedTwice,
    /// In the parser's words.
    Other(String),
}

impl ModuleProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::ImportMissing { wanted } => error(
                "import-missing",
                format!("The configuration imports {}, which does not exist", wanted.display()),
            )
            .because("The file was not copied with the configuration, or its name is misspelt.")
            .remedy("Add the file to the configuration, or remove it from `imports`."),
            Self::PathOutside { path, is_read } => path_outside(path, *is_read),
            Self::Locked { file } => error("file-locked", format!("git-crypt has locked {}", file.display()))
                .because("Nix reads this file, and its content is encrypted.")
                .remedy("Run `git-crypt unlock` in the configuration, and the same command again with the unlocked files."),
            Self::InSubmodule { file, submodule } => error(
                "submodule-missing",
                format!("{} is in a Git submodule that is not checked out", file.display()),
            )
            .because(format!("The directory {} is empty, and .gitmodules names it.", submodule.display()))
            .remedy("Run `git submodule update --init` in the configuration, and the same command again with these files."),
            Self::Syntax { file, mistake } => error("syntax", format!("{} is not valid Nix", file.display()))
                .because(mistake.text())
                .remedy("Correct it at the place above, or just before it."),
        }
    }
}

fn path_outside(path: &str, is_read: bool) -> Text {
    let text = if is_read {
        error("path-outside", format!("The configuration reads {path}, which is outside of it")).because(
            "The ISO and the target have only the directory of the configuration, and a flake can read only its own files and inputs.",
        )
    } else {
        warning("path-outside", format!("{path} is outside of the configuration")).because(
            "Only the directory that --config names is copied to the ISO and to the target. If this file is evaluated, it fails.",
        )
    };
    text.remedy(
        "Move what it reads into the configuration, and change the path. Or name the directory that has both with --config: a \
         flake.nix there, with its flake.lock, refers to the files below it (./SUBDIRECTORY/configuration.nix).",
    )
}

impl SyntaxMistake {
    fn text(&self) -> String {
        match self {
            Self::Unexpected { found, expected } => {
                let found = found.as_deref().unwrap_or("token");
                match alternatives(expected) {
                    Some(expected) => format!("Unexpected {found}; expected {expected}."),
                    None => format!("Unexpected {found}."),
                }
            }
            Self::EndsTooEarly { expected } => match alternatives(expected) {
                Some(expected) => {
                    format!("The file ends where {expected} is expected: a bracket, brace or string is not closed.")
                }
                None => "The file ends too early: a bracket, brace or string is not closed.".to_owned(),
            },
            Self::ArgumentsNamedTwice => "The arguments of the function are named twice with `@`.".to_owned(),
            Self::Other(error) => error.clone(),
        }
    }
}

/// `a, b or c`; `None` for a list that is empty, or so long that it says nothing.
fn alternatives(names: &[String]) -> Option<String> {
    match names.split_last()? {
        (last, []) => Some(last.clone()),
        (last, first) if first.len() < 4 => Some(format!("{} or {last}", first.join(", "))),
        _ => None,
    }
}
