//! `nix-cfg-iso init`: writes the ISO directory.

#[cfg(test)]
mod init_tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::all_at_once::{keep, only_warnings};
use super::allowed_secrets::{self, Allowed};
use super::choices::{self, InitOptions, InitReport};
use super::copied::{Copied, Digests, digests, is_excluded};
use super::flake_template::{self, CONFIG_DIR, IsoSpec, build_command};
use super::manifest::Manifest;
use super::staging::{Staging, real_path, require_usable};
use super::{config_option, programs, stock};
use crate::diagnostic::{
    Diagnostic, Diagnostics, IsoChannelProblem, IsoDirectoryProblem, IsoHostProblem, IsoOptionProblem, Problem,
    Severity,
};
use crate::interrupt::Interrupt;
use crate::process::Runner;
use crate::text::shell_word;
use crate::tree::declared_inputs;
use crate::tree::flake_lock::FLAKE_LOCK;
use crate::tree::lint;
use crate::tree::snapshot::Copier;
use crate::tree::source::{ConfigKind, Source};

/// Writes the directory, and returns what to do next. `program_dir` is the directory of the running program; `os_release` is the
/// file of that name. `show` is called before the directory appears.
///
/// # Errors
/// [`Diagnostics`](crate::diagnostic::Diagnostics): all that is wrong with the options and the configuration; errors of `show` and
/// of the file system. Nothing was written then, and what existed before is as it was.
pub fn init(
    options: &InitOptions,
    program_dir: &Path,
    os_release: &Path,
    show: &mut dyn FnMut(&InitReport) -> Result<()>,
) -> Result<String> {
    let runner = Runner::new(std::env::vars_os().collect(), Interrupt::on_signals()?);
    let mut problems = Vec::new();
    let checked = if options.stock.is_empty() {
        look(options, program_dir, os_release, &mut problems)?
    } else {
        Some(look_at_stock(
            options,
            program_dir,
            (os_release, &runner),
            &mut problems,
        )?)
    };
    let Some(checked) = checked else {
        return Err(Diagnostics(problems).into());
    };
    let Checked {
        source,
        spec,
        programs,
        allowed_keys,
        mut report,
    } = checked;
    report.warnings = only_warnings(problems)?;
    let staging = Staging::create(&options.dir)?;
    let copied = match source {
        Some(source) => {
            let (copied, sentence) = Copied::now(&source.path, &runner)?;
            report.notes.push(sentence);
            let configuration = staging.path().join(CONFIG_DIR);
            copy_configuration(&source, &configuration, runner.interrupt(), &mut report)?;
            Some(Copied {
                files: digests(&configuration)?,
                allowed_keys,
                ..copied
            })
        }
        None => None,
    };
    write_files(staging.path(), spec, copied, &programs)?;
    show(&report)?;
    runner.interrupt().check()?;
    staging.publish()?;
    // `path:` takes an absolute path, or one that begins with a dot.
    let dir = std::path::absolute(&options.dir).context("Failed to find the working directory")?;
    Ok(format!(
        "Wrote {}. Next:\n    {} doctor {}\n    {}",
        dir.display(),
        shell_word(&options.program),
        shell_word(dir.as_os_str()),
        build_command(&dir)
    ))
}

/// The errors of `init` with these options that no answer to a question would correct. The parameters are those of [`init`].
///
/// # Errors
/// Of the file system.
pub fn mistakes(options: &InitOptions, program_dir: &Path, os_release: &Path) -> Result<Vec<Diagnostic>> {
    let mut problems = Vec::new();
    look(options, program_dir, os_release, &mut problems)?;
    let is_asked = |problem: &Diagnostic| {
        matches!(
            problem.problem,
            Problem::IsoOptionProblem(IsoOptionProblem::NoConfiguration | IsoOptionProblem::NoNixpkgs { .. })
                | Problem::IsoHostProblem(IsoHostProblem::Several { .. } | IsoHostProblem::None { .. })
                | Problem::IsoChannelProblem(IsoChannelProblem::Unnamed { .. })
        )
    };
    problems.retain(|problem| problem.severity == Severity::Error && !is_asked(problem));
    Ok(problems)
}

/// What [`init`] writes.
struct Checked {
    /// `None`: stock NixOS.
    source: Option<Source>,
    spec: IsoSpec,
    programs: Vec<(&'static str, Vec<u8>)>,
    allowed_keys: Digests,
    /// Without the warnings.
    report: InitReport,
}

/// Looks at all that the options name. Adds what is wrong with it to `problems`; `None` where the configuration cannot be opened.
fn look(
    options: &InitOptions,
    program_dir: &Path,
    os_release: &Path,
    problems: &mut Vec<Diagnostic>,
) -> Result<Option<Checked>> {
    let mut report = InitReport::default();
    keep(require_usable(&options.dir), problems)?;
    let source = if let Some(config) = &options.config {
        keep(config_option::open(config), problems)?
    } else {
        problems.push(IsoOptionProblem::NoConfiguration.into());
        None
    };
    let Some(source) = source else {
        choices::without_source(options, problems);
        return Ok(None);
    };
    keep(require_outside(&options.dir, &source.path), problems)?;
    report.notes.push(source.reason.clone());
    let spec = choices::spec(options, &source, os_release, (&mut report, problems))?;
    let programs = programs(program_dir, &spec, problems)?;
    let known = Digests::new();
    let allowed = Allowed::with(options.allow_secrets, &known);
    let keys = allowed_secrets::look(&source.path, source.kind, allowed, "add --allow-secrets");
    problems.extend(keys.problems);
    report.notes.extend(keys.note);
    problems.extend(broken_files(&source));
    problems.extend(without_lock(&source));
    Ok(Some(Checked {
        source: Some(source),
        spec,
        programs,
        allowed_keys: keys.allowed,
        report,
    }))
}

/// The same for stock NixOS.
fn look_at_stock(
    options: &InitOptions,
    program_dir: &Path,
    (os_release, runner): (&Path, &Runner),
    problems: &mut Vec<Diagnostic>,
) -> Result<Checked> {
    let mut report = InitReport::default();
    keep(require_usable(&options.dir), problems)?;
    let release = |nixpkgs: &str| stock::release(nixpkgs, runner);
    let spec = choices::stock_spec(options, os_release, &release, (&mut report, problems))?;
    report.notes.push(stock::note(&spec));
    Ok(Checked {
        source: None,
        programs: programs(program_dir, &spec, problems)?,
        spec,
        allowed_keys: Digests::new(),
        report,
    })
}

/// The programs that are copied.
fn programs(
    program_dir: &Path,
    spec: &IsoSpec,
    problems: &mut Vec<Diagnostic>,
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    if spec.build_helper {
        return Ok(Vec::new());
    }
    Ok(keep(programs::load(program_dir, &spec.system), problems)?.unwrap_or_default())
}

/// Warns of files that are certainly read, and are not valid Nix or not there: in the end, Nix decides.
fn broken_files(source: &Source) -> impl Iterator<Item = Diagnostic> {
    let broken = lint::bad_modules(&source.path, source.kind).into_iter();
    broken.map(|module| Diagnostic {
        severity: Severity::Warning,
        ..module.problem
    })
}

/// Warns of a flake with inputs and without a lock, which the doctor refuses: Nix can still write it.
fn without_lock(source: &Source) -> Option<Diagnostic> {
    if source.kind == ConfigKind::Channel || source.path.join(FLAKE_LOCK).exists() {
        return None;
    }
    let absent = declared_inputs::problems(&source.path).ok()?.pop()?;
    Some(Diagnostic {
        severity: Severity::Warning,
        ..absent
    })
}

fn write_files(dir: &Path, spec: IsoSpec, copied: Option<Copied>, programs: &[(&str, Vec<u8>)]) -> Result<()> {
    let mut files = flake_template::files(&spec, programs);
    files.extend(stock::files(&spec));
    for file in &files {
        file.write(dir)?;
    }
    Manifest {
        configuration: copied.into_iter().collect(),
        ..Manifest::new(spec, &files)
    }
    .save(dir)
}

/// Inside the configuration, the directory would be copied into itself, and with every later copy of the configuration. A
/// configuration inside the directory is the copy, which nobody edits.
pub(super) fn require_outside(dir: &Path, config: &Path) -> Result<()> {
    let real_config = fs::canonicalize(config).with_context(|| format!("Failed to read {}", config.display()))?;
    let real_dir = real_path(dir)?;
    if real_dir.starts_with(&real_config) {
        return Err(IsoDirectoryProblem::InsideConfiguration { dir: dir.to_owned() }.into());
    }
    if real_config.starts_with(&real_dir) {
        let (dir, config) = (dir.to_owned(), config.to_owned());
        return Err(IsoDirectoryProblem::ConfigurationInside { dir, config }.into());
    }
    Ok(())
}

/// Copies the configuration to `to`, a directory that does not exist. Warnings go to the report.
pub(super) fn copy_configuration(
    source: &Source,
    to: &Path,
    interrupt: &Interrupt,
    report: &mut InitReport,
) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("Failed to create {}", to.display()))?;
    let copier = Copier {
        owners: None,
        interrupt,
        exclude: Some(is_excluded),
    };
    let mut problems = copier.copy(&source.dir, to)?.problems;
    problems.extend(lint::lacking(to));
    report.warnings.extend(only_warnings(problems)?);
    Ok(())
}
