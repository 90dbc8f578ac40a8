//! What an evaluation omits to get past an error, and which problems may be a consequence of that.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::diagnostic::{
    BootProblem, Diagnostic, ExpressionProblem, FileSystemProblem, FirstStartProblem, Problem, SupplyProblem,
};
use crate::nix::lenience::Lenience;
use crate::tree::attributes::blanked;
use crate::tree::source::{CONFIGURATION_NIX, FLAKE_NIX, HARDWARE_CONFIGURATION};

/// Something to omit.
#[derive(Debug, PartialEq, Eq)]
pub enum Omission {
    Lenience(Lenience),
    /// Relative to the snapshot.
    File(PathBuf),
    /// What a module sets at one place, in words and without it.
    Attribute {
        file: PathBuf,
        was: String,
        rest: String,
    },
}

/// What was omitted.
#[derive(Debug, Default)]
pub struct Omissions {
    pub lenience: Lenience,
    /// Relative to the snapshot.
    files: Vec<PathBuf>,
    /// The text of these files, and the attributes of others.
    text: String,
    /// How many attributes were omitted.
    attributes: usize,
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

    /// Replaces `file` of the snapshot at `root` by `rest`, which lacks the attribute `was`.
    pub fn omit_attribute(&mut self, root: &Path, file: &Path, (was, rest): (&str, &str)) -> Result<()> {
        fs::write(root.join(file), rest).with_context(|| format!("Failed to change {}", file.display()))?;
        self.text.push_str(was);
        self.attributes += 1;
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
        let place = problem.place.as_ref().filter(|_| is_in_file)?;
        let file = &place.file;
        // Less than the file: the rest of it can have faults as well.
        let is_at_place = matches!(
            problem.problem,
            Problem::ExpressionProblem(E::UndefinedVariable { .. } | E::AttributeMissing { .. })
        );
        if is_at_place
            && (file == Path::new(CONFIGURATION_NIX) || !is_essential(file))
            && let Some(place) = place.line.zip(place.column)
            && let Ok(text) = fs::read_to_string(root.join(file))
            && let Some((rest, was)) = blanked(&text, place)
        {
            let file = file.clone();
            return Some(Omission::Attribute { file, was, rest });
        }
        let can_be_omitted = !is_essential(file) && root.join(file).is_file() && !self.files.contains(file);
        can_be_omitted.then(|| Omission::File(file.clone()))
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.attributes == 0 && self.lenience == Lenience::default()
    }

    /// Whether `problem` may be a consequence of an omitted file or attribute.
    pub fn may_explain(&self, problem: &Diagnostic) -> bool {
        if self.files.is_empty() && self.attributes == 0 {
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
    fn of_a_file_only_the_attribute_with_the_undefined_name_is_omitted() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        write(CONFIGURATION_NIX, "{ users = { mutableUsers = nope; };\n  x = 1; }");
        write("package.nix", "{ stdenv }: stdenv.mkDerivation { name = nope; }");
        let undefined = |file: &str, column| {
            let name = "nope".to_owned();
            Diagnostic::from(ExpressionProblem::UndefinedVariable { name }).at(file, Some(1), Some(column))
        };
        let mut omissions = Omissions::default();
        let next = omissions.next(&undefined(CONFIGURATION_NIX, 28), root.path());
        let Some(Omission::Attribute { file, was, rest }) = next else {
            panic!("{next:?}");
        };
        omissions.omit_attribute(root.path(), &file, (&was, &rest)).unwrap();
        assert_eq!(rest, format!("{{ users = {{ {} }};\n  x = 1; }}", " ".repeat(20)));
        assert!(omissions.may_explain(&AccountProblem::NobodyIsRoot.into()));
        assert!(!omissions.may_explain(&BootProblem::NoLoader.into()));
        let next = omissions.next(&undefined("package.nix", 42), root.path());
        assert_eq!(next, Some(Omission::File("package.nix".into())));
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
