//! What an evaluation omits to get past an error, and which problems may be a consequence of that.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::diagnostic::{
    BootProblem, Diagnostic, ExpressionProblem, FileSystemProblem, FirstStartProblem, Problem, SupplyProblem,
};
use crate::nix::eval::Lenience;

use crate::tree::source::{CONFIGURATION_NIX, FLAKE_NIX, HARDWARE_CONFIGURATION};

/// Something to omit.
#[derive(Debug, PartialEq, Eq)]
pub enum Omission {
    Lenience(Lenience),
    /// Relative to the snapshot.
    File(PathBuf),
}

/// What was omitted.
#[derive(Debug, Default)]
pub struct Omissions {
    pub lenience: Lenience,
    /// Relative to the snapshot.
    files: Vec<PathBuf>,
    /// The text of these files.
    text: String,
    /// Whether one of them could not be read.
    unreadable: bool,
}

impl Omissions {
    /// Replaces `file` of the snapshot at `root` by an empty module.
    pub fn omit(&mut self, root: &Path, file: &Path) -> Result<()> {
        let path = root.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => self.text.push_str(&text),
            Err(_) => self.unreadable = true,
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, "{ }\n")
            .with_context(|| format!("Failed to replace {} by an empty module", file.display()))?;
        self.files.push(file.to_owned());
        Ok(())
    }

    /// What to omit to get past `problem`, with which the evaluation of the snapshot at `root` ended.
    pub fn next(&self, problem: &Diagnostic, root: &Path) -> Option<Omission> {
        use ExpressionProblem as E;
        let mut lenience = self.lenience;
        let is_in_file = match &problem.problem {
            Problem::ExpressionProblem(E::OptionMissing { .. }) => {
                lenience.undeclared = true;
                false
            }
            Problem::ExpressionProblem(E::Assertion { .. }) => {
                lenience.assertions = true;
                false
            }
            Problem::PackageProblem(_) => {
                lenience.refused = true;
                true
            }
            Problem::ModuleProblem(_)
            | Problem::ExpressionProblem(
                E::Syntax { .. }
                | E::DefinedTwice { .. }
                | E::UndefinedVariable { .. }
                | E::AttributeMissing { .. }
                | E::OptionType { .. }
                | E::OptionConflict { .. }
                | E::FileMissing { .. },
            ) => true,
            _ => false,
        };
        if lenience != self.lenience {
            return Some(Omission::Lenience(lenience));
        }
        let file = problem.place.as_ref().filter(|_| is_in_file).map(|place| &place.file)?;
        let can_be_omitted = !is_essential(file) && root.join(file).is_file() && !self.files.contains(file);
        can_be_omitted.then(|| Omission::File(file.clone()))
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.lenience == Lenience::default()
    }

    /// Whether `problem` may be a consequence of an omitted file.
    pub fn may_explain(&self, problem: &Diagnostic) -> bool {
        if self.files.is_empty() {
            return false;
        }
        match Basis::of(problem) {
            Basis::Presence => false,
            Basis::Absence(words) => self.unreadable || words.iter().any(|word| self.text.contains(word)),
            Basis::Unknown => true,
        }
    }
}

/// Whether there is nothing to evaluate without `file`, or not what would be installed.
pub fn is_essential(file: &Path) -> bool {
    file == Path::new(CONFIGURATION_NIX) || file == Path::new(FLAKE_NIX) || file.ends_with(HARDWARE_CONFIGURATION)
}

/// What a problem follows from.
enum Basis {
    /// From something that the configuration contains.
    Presence,
    /// From something that it lacks, which only a file that contains one of these words can add.
    Absence(&'static [&'static str]),
    Unknown,
}

impl Basis {
    fn of(problem: &Diagnostic) -> Self {
        match &problem.problem {
            Problem::AccountProblem(_) => Self::Absence(&["users"]),
            Problem::BootProblem(problem) => match problem {
                BootProblem::NeedsUefi { .. }
                | BootProblem::GrubDeviceMissing { .. }
                | BootProblem::GrubDeviceOther { .. } => Self::Presence,
                BootProblem::KeymapDiffers { .. } => Self::Absence(&["console"]),
                _ => Self::Absence(&["boot"]),
            },
            Problem::FileSystemProblem(problem) => match problem {
                FileSystemProblem::Contradiction { .. } => Self::Presence,
                FileSystemProblem::NoRoot { .. }
                | FileSystemProblem::HardwareNotImported { .. }
                | FileSystemProblem::VolumeNotOpened { .. } => Self::Unknown,
                _ => Self::Absence(&["fileSystems"]),
            },
            Problem::FirstStartProblem(FirstStartProblem::KeyboardDiffers { .. }) => Self::Absence(&["console", "xkb"]),
            Problem::ExpressionProblem(problem) => Self::of_expression(problem),
            Problem::PlatformProblem(_)
            | Problem::ModuleProblem(_)
            | Problem::FirstStartProblem(FirstStartProblem::NetworkNeeded { .. })
            | Problem::PackageProblem(_)
            | Problem::SupplyProblem(SupplyProblem::Download { .. }) => Self::Presence,
            _ => Self::Unknown,
        }
    }

    fn of_expression(problem: &ExpressionProblem) -> Self {
        use ExpressionProblem as E;
        match problem {
            E::Syntax { .. }
            | E::DefinedTwice { .. }
            | E::UndefinedVariable { .. }
            | E::OptionType { .. }
            | E::OptionConflict { .. }
            | E::FileMissing { .. } => Self::Presence,
            // A file that declares it.
            E::OptionMissing { .. } => Self::Absence(&["option", "Option"]),
            E::FileSystemConflict { .. } => Self::Absence(&["fileSystems"]),
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{AccountProblem, PlatformProblem};

    /// What may be a consequence of a file with this text being omitted.
    fn explained(text: Option<&str>, problems: &[Diagnostic]) -> Vec<&'static str> {
        let root = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            fs::write(root.path().join("a.nix"), text).unwrap();
        }
        let mut omissions = Omissions::default();
        assert!(problems.iter().all(|problem| !omissions.may_explain(problem)));
        omissions.omit(root.path(), Path::new("a.nix")).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("a.nix")).unwrap(), "{ }\n");
        let explained = problems.iter().filter(|problem| omissions.may_explain(problem));
        explained.map(|problem| problem.code).collect()
    }

    #[test]
    fn a_problem_may_follow_from_an_omitted_file_that_could_set_what_is_lacking() {
        let typed = "de".to_owned();
        let problems: [Diagnostic; 6] = [
            AccountProblem::NobodyIsRoot.into(),
            BootProblem::NoLoader.into(),
            BootProblem::KeymapDiffers {
                own: "us".to_owned(),
                typed,
            }
            .into(),
            BootProblem::GrubDeviceMissing {
                device: "/dev/sdz".to_owned(),
                disk: None,
            }
            .into(),
            PlatformProblem::Other {
                wanted: "a".to_owned(),
                own: "b".to_owned(),
            }
            .into(),
            ExpressionProblem::Assertion {
                message: "No.".to_owned(),
            }
            .into(),
        ];
        assert_eq!(
            explained(Some("{ users.mutableUsers = "), &problems),
            ["nobody-is-root", "assertion"]
        );
        assert_eq!(
            explained(Some("{ boot = {"), &problems),
            ["boot-loader-none", "assertion"]
        );
        assert_eq!(explained(Some("{ "), &problems), ["assertion"]);
        // Nobody knows what was to be in it.
        assert_eq!(
            explained(None, &problems),
            ["nobody-is-root", "boot-loader-none", "keymap-differs", "assertion"]
        );
    }
}
