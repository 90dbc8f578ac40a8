//! What can be wrong, as types, and all English text about it: what is wrong, where, why, and what to do.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::text::{one_line, without_numbers};

/// Whether a finding stops the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The installation would fail, or its result would not boot or let anybody in.
    Error,
    /// Worth knowing; never blocks.
    Warning,
}

/// Where in the user's configuration a problem stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, relative to the configuration tree where it is in the tree.
    pub file: PathBuf,
    /// Line, counted from 1; absent where only the file is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever is in the name.
        f.write_str(&one_line(&self.file.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// Declares the areas: each is a file here with an enum of what can be wrong in it, and its English text.
macro_rules! areas {
    ($($file:ident::$area:ident),+ $(,)?) => {
        $(mod $file; pub use $file::$area;)+

        /// What is wrong. Code decides by this type, never by a text.

        #[cfg_attr(test, derive(Debug, PartialEq, Eq))]
        #[allow(clippy::enum_variant_names)] // Each variant has the name of its area.
        pub enum Problem {
            $($area($area),)+
        }

        $(impl From<$area> for Diagnostic {
            fn from(problem: $area) -> Self {
                let text = problem.text();
                Self {
                    severity: text.severity,
                    code: text.code,
                    what: without_numbers(&text.what),
                    place: None,
                    why: without_numbers(&text.why),
                    remedy: text.remedy,
                    raw: String::new(),
                    problem: Problem::$area(problem),
                }
            }
        }

        impl From<$area> for anyhow::Error {
            fn from(problem: $area) -> Self {
                Diagnostic::from(problem).into()
            }
        })+
    };
}

pub use answers_file_problem::Unusable;
pub use apply::Shortage;
pub use copy_problem::SpecialFile;
pub use disk_problem::DiskUse;
pub use extra_files_problem::{AccountKind, Cover, RuleFault};
pub use file_system::{Alternative, Difference, Doubt};
pub use firmware_problem::{PartitionRole, Refusal};
pub use flake::LockFeature;
pub use hardware_problem::NotReplaceable;
pub use installed_system_problem::{Lock, LookedAt};
pub use key_problem::{BootFileKind, ClosedSecrets, Delivery, KeyFault, LackingKey, LockedUser};
pub use lint_problem::{LinkDefect, PrivateKey};
pub use module_problem::SyntaxMistake;
pub use settings_problem::Takes;
pub use supply::Damage;

areas! {
    account::AccountProblem,
    answer::AnswerProblem,
    answers_file_problem::AnswersFileProblem,
    apply::ApplyProblem,
    boot_loader::BootProblem,
    cache_problem::CacheProblem,
    calamares_job::CalamaresProblem,
    capacity::CapacityProblem,
    copy_problem::CopyProblem,
    delta_problem::DeltaProblem,
    disk_problem::DiskProblem,
    disko_problem::DiskoProblem,
    enrol_problem::EnrolProblem,
    expression::ExpressionProblem,
    extra_files_problem::ExtraFilesProblem,
    file_system::FileSystemProblem,
    firmware_problem::FirmwareProblem,
    first_start_problem::FirstStartProblem,
    flake::FlakeProblem,
    flake_lock_problem::FlakeLockProblem,
    hardware_problem::HardwareProblem,
    kept_problem::KeptProblem,
    lint_problem::LintProblem,
    machine_problem::MachineProblem,
    medium_problem::MediumProblem,
    module_problem::ModuleProblem,
    other_platform::PlatformProblem,
    installed_system_problem::InstalledSystemProblem,
    iso_channel::IsoChannelProblem,
    iso_config::IsoConfigProblem,
    iso_customize::CustomizeProblem,
    iso_desktop::IsoDesktopProblem,
    iso_directory::IsoDirectoryProblem,
    iso_doctor::DoctorProblem,
    iso_host::IsoHostProblem,
    iso_image::IsoImageProblem,
    iso_input::IsoInputProblem,
    iso_options::IsoOptionProblem,
    iso_output::IsoOutputProblem,
    iso_refresh::IsoRefreshProblem,
    iso_secret::IsoSecretProblem,
    key_problem::KeyProblem,
    plan::PlanProblem,
    program::ProgramProblem,
    refused_package::PackageProblem,
    result_problem::ResultProblem,
    settings_problem::SettingsProblem,
    signing_problem::SigningProblem,
    source_problem::SourceProblem,
    supply::SupplyProblem,
    target_problem::TargetProblem,
    uncovered::CoverageProblem,
    update_problem::UpdateProblem,
    zfs_problem::ZfsProblem,
}

pub use iso_channel::{ChannelNameFault, ReferenceFault};
pub use iso_options::ProgramFault;

/// The English text of a problem, as the areas write it.
struct Text {
    severity: Severity,
    code: &'static str,
    what: String,
    why: String,
    remedy: String,
}

/// An error with a stable `code` in kebab-case, and one sentence without a full stop that says what is wrong.
fn error(code: &'static str, what: impl Into<String>) -> Text {
    Text {
        severity: Severity::Error,
        code,
        what: what.into(),
        why: String::new(),
        remedy: String::new(),
    }
}

/// As [`error`], for a finding that does not block.
fn warning(code: &'static str, what: impl Into<String>) -> Text {
    Text {
        severity: Severity::Warning,
        ..error(code, what)
    }
}

impl Text {
    /// Why it matters, or what caused it.
    fn because(self, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { why, ..self }
    }

    /// What to do now.
    fn remedy(self, remedy: impl Into<String>) -> Self {
        let remedy = remedy.into();
        Self { remedy, ..self }
    }
}

/// A problem with its place and its text. It is an error as well, so that a function can return it.
#[derive(Serialize)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Diagnostic {
    /// Whether it blocks.
    pub severity: Severity,
    /// A stable identifier for programs, in kebab-case (`flake-lock-incomplete`).
    pub code: &'static str,
    /// One sentence without a full stop: what is wrong.
    pub what: String,
    /// Where it is, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Why it matters, or what caused it; may be empty.
    pub why: String,
    /// What to do now; may be empty.
    pub remedy: String,
    /// The output of a program that it was concluded from; may be empty.
    pub raw: String,
    /// The same as a type.
    #[serde(skip)]
    pub problem: Problem,
}

impl Diagnostic {
    /// Says where it stands.
    #[must_use]
    pub fn at(mut self, file: impl Into<PathBuf>, line: Option<u32>, column: Option<u32>) -> Self {
        self.place = Some(Place {
            file: file.into(),
            line,
            column,
        });
        self
    }

    /// As [`Self::at`], of a whole file, where it is known.
    #[must_use]
    pub fn in_file(self, file: Option<PathBuf>) -> Self {
        match file {
            Some(file) => self.at(file, None, None),
            None => self,
        }
    }

    /// Whether a person would read the same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.says_the_same(other) && self.place == other.place
    }

    /// As [`Self::is_same`], at whatever place.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.code, &self.what, &self.why) == (other.code, &other.what, &other.why)
    }

    /// Attaches the output of a program.
    #[must_use]
    pub fn raw(mut self, raw: impl Into<String>) -> Self {
        self.raw = raw.into();
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(place) = &self.place {
            write!(f, "\n  where: {place}")?;
        }
        for (label, text) in [("why", &self.why), ("what to do", &self.remedy)] {
            if !text.is_empty() {
                write!(f, "\n  {label}: {}", text.replace('\n', "\n    "))?;
            }
        }
        if !self.raw.is_empty() {
            write!(f, "\n  in the program's own words:")?;
            for line in self.raw.lines() {
                write!(f, "\n    | {line}")?;
            }
        }
        Ok(())
    }
}

/// Its texts: the variants of all areas, written out, would be a tenth of the installer.
impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {self}", self.severity, self.code)
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
impl Diagnostic {
    /// A diagnostic with these texts, for tests of how it is shown.
    pub fn example(what: &str, why: &str, remedy: &str) -> Self {
        let error = String::new();
        Self {
            code: "example",
            what: what.to_owned(),
            why: why.to_owned(),
            remedy: remedy.to_owned(),
            ..ProgramProblem::Unknown { error }.into()
        }
    }
}

/// Several problems found in one look; the error of a phase that reports all at once.
#[derive(Debug)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// The problems that `error` is made of.
    ///
    /// # Errors
    /// `error` itself, where it is neither a [`Diagnostic`] nor several.
    pub fn of(error: anyhow::Error) -> Result<Vec<Diagnostic>, anyhow::Error> {
        match error.downcast() {
            Ok(Self(problems)) => Ok(problems),
            Err(error) => Ok(vec![error.downcast()?]),
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_in_a_problem_has_no_number() {
        let error = std::io::Error::from_raw_os_error(2).to_string();
        let settings = Diagnostic::from(SettingsProblem::Unreadable { error: error.clone() });
        assert_eq!(settings.why, "No such file or directory");
        let unknown = Diagnostic::from(ProgramProblem::Unknown {
            error: format!("a: {error}"),
        });
        assert_eq!(unknown.what, "a: No such file or directory");
    }

    #[test]
    fn a_problem_reads_as_what_where_why_and_what_to_do() {
        let problem = Diagnostic::example("configuration.nix is not valid Nix", "a `;` is missing", "add it")
            .at("configuration.nix", Some(3), Some(7))
            .raw("error: syntax error\nat 3:7");
        assert_eq!(
            problem.to_string(),
            "configuration.nix is not valid Nix\n  where: configuration.nix:3:7\n  why: a `;` is missing\n  \
             what to do: add it\n  in the program's own words:\n    | error: syntax error\n    | at 3:7"
        );
    }
}
