//! The evaluation, and what else can be found when it fails: Nix ends with the first error, so the place of that error is
//! passed over and the rest is evaluated once more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::checks::Job;
use super::checks::file_systems::{self, Tree};
use super::collector::Found;
use super::flake_inputs;
use crate::diagnostic::Diagnostic;
use crate::nix::eval::{self, Configuration, Evaluated, Lenience};
use crate::nix::explain;
use crate::nix::facts::{Facts, Refusal};
use crate::plan::hardware_files;
use crate::progress::Unit;
use crate::tree::lint::BadModule;
use crate::tree::source::HARDWARE_CONFIGURATION;
use crate::tree::source::{CONFIGURATION_NIX, ConfigKind, FLAKE_NIX};

/// How often is evaluated at most.
const ROUNDS: usize = 5;

/// What is known after the last evaluation.
#[derive(Default)]
pub struct Known {
    /// The values that were told.
    pub facts: Facts,
    /// The toplevel; of a part of the configuration where something was passed over.
    pub evaluated: Option<Evaluated>,
    /// What was passed over.
    pub partial: Partial,
    /// What Nix said of rules that are broken; [`Facts::assertions`] has them one by one.
    pub assertions: Option<Diagnostic>,
    /// What the configuration and its hardware configuration set to different values, by attribute path: it was taken out of
    /// the latter.
    pub contradictions: Vec<Vec<String>>,
}

/// What was passed over to come further. What is found after that may be a consequence of it.
#[derive(Default)]
pub struct Partial {
    lenience: Lenience,
    left_out: Vec<PathBuf>,
    /// The text of all files that were left out.
    text: String,
    absent: bool,
}

impl Partial {
    /// Leaves `file` of the snapshot at `root` out: an empty module stands in for it.
    fn leave_out(&mut self, root: &Path, file: &Path) -> Result<()> {
        let path = root.join(file);
        match fs::read_to_string(&path) {
            Ok(text) => self.text.push_str(&text),
            Err(_) => self.absent = true,
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, "{ }\n").with_context(|| format!("Failed to leave {} out", file.display()))?;
        self.left_out.push(file.to_owned());
        Ok(())
    }

    /// Whether nothing was passed over.
    pub fn is_whole(&self) -> bool {
        self.left_out.is_empty() && self.lenience == Lenience::default()
    }

    /// Whether `problem` is no consequence of what was left out: it is something that is there, or nothing that was left
    /// out is about it.
    pub fn believes(&self, problem: &Diagnostic) -> bool {
        if self.left_out.is_empty() {
            return true;
        }
        let about = match problem.code {
            "syntax"
            | "defined-twice"
            | "undefined-variable"
            | "unfree"
            | "insecure"
            | "broken"
            | "package-platform"
            | "package-refused"
            | "option-type"
            | "option-conflict"
            | "file-missing"
            | "not-on-medium"
            | "not-covered"
            | "platform-other"
            | "boot-needs-uefi"
            | "grub-device-missing"
            | "grub-device-other" => return true,
            "login-unknown"
            | "password-immutable"
            | "password-file-missing"
            | "nobody-can-log-in"
            | "nobody-is-root" => "users",
            "option-missing" => "ption",
            code if code.starts_with("boot") || code.starts_with("grub") || code.starts_with("esp") => "boot",
            "keymap-differs" => "console",
            code if code.starts_with("file-system") => "fileSystems",
            _ => return false,
        };
        !self.absent && !self.text.contains(about)
    }
}

/// Evaluates the configuration; on an error, what is left of it, too. `broken` are files that are known not to be Nix, or
/// not to be there.
///
/// # Errors
/// When Nix cannot be run at all.
pub fn evaluate(
    job: &Job<'_>,
    configuration: &Configuration,
    tree: &Tree<'_>,
    broken: &[BadModule],
    found: &mut Found<'_>,
) -> Result<Known> {
    let root = &configuration.root;
    let mut known = Known::default();
    for broken in broken {
        if is_top(&broken.file) {
            return Ok(known);
        }
        known.partial.leave_out(root, &broken.file)?;
    }
    let usual = usual_parts(Path::new(STORE));
    for _ in 0..ROUNDS {
        let evaluation = eval::evaluate(job.runner, configuration, known.partial.lenience, &mut |parts, name| {
            let total = usual.max(parts + usual / 4);
            job.report.progress(parts, total, Unit::Evaluated, name);
        })?;
        let mut facts = evaluation.facts;
        if known.partial.lenience.assertions {
            // Those that were broken before they were passed over.
            facts.assertions = None;
        }
        tell_refused(&facts.refused, root, found);
        known.facts.update(facts);
        let problem = match evaluation.toplevel {
            Ok(evaluated) => {
                known.evaluated = evaluated;
                break;
            }
            Err(problem) => problem,
        };
        let contradictions = file_systems::contradictions(&known.facts, tree);
        // The first of them, or another contradiction, which then is the next that Nix stops at.
        if matches!(problem.code, "file-system-conflict" | "option-conflict") && !contradictions.is_empty() {
            hardware_files::leave_out(root, &tree.hardware, &contradictions)?;
            known.contradictions.extend(contradictions);
            continue;
        }
        let next = pass_over(&problem, &known.partial, root);
        let problems = match (problem.code, &known.facts.assertions) {
            ("assertion", Some(failed)) if !failed.is_empty() => {
                known.assertions = Some(problem);
                Vec::new()
            }
            _ if configuration.kind == ConfigKind::Flake => flake_inputs::explain(job.runner, root, problem)?,
            _ => vec![problem],
        };
        found.extend(problems.into_iter().filter(|problem| known.partial.believes(problem)));
        match next {
            Next::Nothing => break,
            Next::Lenience(lenience) => known.partial.lenience = lenience,
            Next::LeaveOut(file) => known.partial.leave_out(root, &file)?,
        }
    }
    Ok(known)
}

/// Tells of the packages that were refused, but for the one at which Nix stopped before.
fn tell_refused(refused: &[Refusal], root: &Path, found: &mut Found<'_>) {
    for refusal in refused {
        let problem = explain::refused(refusal, root);
        if !found.tells(problem.code, &problem.what) {
            found.add(problem);
        }
    }
}

/// Where an evaluation writes the derivations.
const STORE: &str = "/nix/store";

/// How many parts (files and derivations) the evaluation of a small server has: 2,724 and 4,751 with nixpkgs 24.05.
const SMALL: u64 = 7_500;

/// How many parts the evaluation will have, as far as that can be known before its end: an earlier one has left its
/// derivations in the store at `store`, and there is a file to about two of them. Where more come, the bar moves on in
/// smaller steps.
fn usual_parts(store: &Path) -> u64 {
    let names = fs::read_dir(store).into_iter().flatten().flatten();
    let derivations = names
        .filter(|entry| entry.file_name().as_encoded_bytes().ends_with(b".drv"))
        .count() as u64;
    SMALL.max(derivations + derivations / 2)
}

enum Next {
    Nothing,
    Lenience(Lenience),
    LeaveOut(PathBuf),
}

/// How to come past `problem`.
fn pass_over(problem: &Diagnostic, partial: &Partial, root: &Path) -> Next {
    let lenience = partial.lenience;
    match problem.code {
        "option-missing" if !lenience.undeclared => Next::Lenience(Lenience {
            undeclared: true,
            ..lenience
        }),
        "assertion" if !lenience.assertions => Next::Lenience(Lenience {
            assertions: true,
            ..lenience
        }),
        "unfree" | "insecure" | "broken" | "package-platform" | "package-refused" if !lenience.refused => {
            Next::Lenience(Lenience {
                refused: true,
                ..lenience
            })
        }
        "syntax" | "defined-twice" | "undefined-variable" | "attribute-missing" | "option-type" | "option-conflict"
        | "file-missing" | "unfree" | "insecure" | "broken" | "package-platform" | "package-refused" => {
            let file = problem.place.as_ref().map(|place| place.file.as_path());
            match file {
                Some(file)
                    if !is_top(file)
                        && root.join(file).is_file()
                        && !partial.left_out.iter().any(|known| known == file) =>
                {
                    Next::LeaveOut(file.to_owned())
                }
                _ => Next::Nothing,
            }
        }
        _ => Next::Nothing,
    }
}

/// Without these there is nothing to evaluate, or not what would be installed.
fn is_top(file: &Path) -> bool {
    file == Path::new(CONFIGURATION_NIX) || file == Path::new(FLAKE_NIX) || file.ends_with(HARDWARE_CONFIGURATION)
}
