//! Rules for errors in the configuration itself.

use std::path::{Path, PathBuf};

use regex_lite::Regex;

use super::said::Said;
use crate::diagnostic::{Diagnostic, ExpressionProblem, FlakeProblem, ModuleProblem};
use crate::store_path::STORE;
use crate::tree::lint;
use crate::tree::locate;
use crate::tree::source::HARDWARE_CONFIGURATION;

pub(super) fn assertion(said: &Said<'_>) -> Option<Diagnostic> {
    let [text] = said.find(r"(?s)Failed assertions:\n(.*?)(?:\n\s*\n|$)")?;
    let message = text.to_owned();
    Some(ExpressionProblem::Assertion { message }.into())
}

/// `problem` at one of the definitions that nixpkgs lists with their files: the user's own goes before the one in
/// hardware-configuration.nix.
fn at_definition(said: &Said<'_>, problem: ExpressionProblem) -> Diagnostic {
    let listed = Regex::new(r"- In [`‘']([^'’]+)['’]").ok();
    let files = listed.iter().flat_map(|pattern| pattern.captures_iter(said.text));
    let files: Vec<&str> = files
        .filter_map(|found| Some(found.get(1)?.as_str()))
        .filter(|file| !file.starts_with('/') && *file != "<unknown-file>")
        .collect();
    match files
        .iter()
        .find(|file| !file.ends_with(HARDWARE_CONFIGURATION))
        .or(files.first())
    {
        Some(file) => Diagnostic::from(problem).at(*file, None, None),
        None => said.at_place(problem),
    }
}

pub(super) fn option_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let [option] = said.find(r"The option [`‘']([^'’]+)['’](?: [^\n]*)? does not exist")?;
    let option = option.to_owned();
    Some(at_definition(said, ExpressionProblem::OptionMissing { option }))
}

pub(super) fn option_conflict(said: &Said<'_>) -> Option<Diagnostic> {
    let [option] = said.find(r"The option [`‘']([^'’]+)['’] has conflicting definition")?;
    let [definitions] = said
        .find(r"(?s)conflicting definition[^\n]*\n(.*?)(?:\n\s*(?:Use|\n)|$)")
        .unwrap_or_default();
    let of_disks = ["fileSystems", "swapDevices", "boot.initrd.luks.devices"];
    let by_hardware =
        said.text.contains(HARDWARE_CONFIGURATION) && of_disks.iter().any(|disks| option.starts_with(disks));
    let (option, definitions) = (option.to_owned(), definitions.to_owned());
    let problem = if by_hardware {
        ExpressionProblem::FileSystemConflict { option, definitions }
    } else {
        ExpressionProblem::OptionConflict { option, definitions }
    };
    Some(at_definition(said, problem))
}

pub(super) fn option_type(said: &Said<'_>) -> Option<Diagnostic> {
    let [option, wanted] =
        said.find(r"[Aa] definition for option [`‘']([^'’]+)['’] is not of type [`‘']([^\n]+?)['’]\.")?;
    let (option, wanted) = (option.to_owned(), wanted.to_owned());
    Some(at_definition(said, ExpressionProblem::OptionType { option, wanted }))
}

pub(super) fn option_unset(said: &Said<'_>) -> Option<Diagnostic> {
    let option = said
        .find(r"The option [`‘']([^'’]+)['’] (?:is used but not defined|was accessed but has no value defined)")
        .map(|[option]| option.to_owned());
    // tasks/filesystems.nix (24.05 and 26.11).
    let device = said.find(r"No device specified for mount point [‘']([^'’]+)['’]");
    let option = option.or(device.map(|[at]| format!("fileSystems.\"{at}\".device")))?;
    Some(ExpressionProblem::OptionUnset { option }.into())
}

pub(super) fn syntax(said: &Said<'_>) -> Option<Diagnostic> {
    let [error] = said.find(r"syntax error, ([^\n]+)")?;
    if let Some(locked) = said.place().and_then(|(file, ..)| locked(said, file)) {
        return Some(locked);
    }
    let error = error.to_owned();
    Some(said.at_place(ExpressionProblem::Syntax { error }))
}

/// The problem of `file` of the tree, if git-crypt has encrypted it.
fn locked(said: &Said<'_>, file: &str) -> Option<Diagnostic> {
    let is_locked = lint::is_locked(&said.context.root?.join(file));
    let problem = || ModuleProblem::Locked { file: file.into() };
    is_locked.then(|| Diagnostic::from(problem()).at(file, None, None))
}

/// `builtins.readFile` of a file with a NUL.
pub(super) fn binary_file(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said.find(r"the contents of the file '([^']+)' cannot be represented as a Nix string")?;
    locked(said, path).or_else(|| {
        let path = path.to_owned();
        Some(said.at_place(ExpressionProblem::BinaryFile { path }))
    })
}

/// A flake is evaluated purely: it can read what is in the store by a path with a hash, and nothing else.
pub(super) fn path_outside(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said.find(r"access to absolute path '([^']+)' is forbidden in pure eval")?;
    outside(said, path).or_else(|| {
        let (path, is_read) = (path.to_owned(), true);
        Some(said.at_place(ModuleProblem::PathOutside { path, is_read }))
    })
}

fn outside(said: &Said<'_>, path: &str) -> Option<Diagnostic> {
    lint::read_outside(said.context.root?, Path::new(path))
}

pub(super) fn defined_twice(said: &Said<'_>) -> Option<Diagnostic> {
    let [name, first] = said.find(r"attribute '([^']+)' already defined at ([^\s]+)")?;
    // The second place follows in a line of its own, or (2.8) after the lines of the file.
    let second = said.find(r"already defined at [^\n]*\n(?s:.*?)at ([^\s:]+\.nix):(\d+):(\d+)");
    let (name, first) = (name.to_owned(), first.trim_end_matches(':').to_owned());
    let problem = ExpressionProblem::DefinedTwice { name, first };
    Some(match second {
        Some([file, line, column]) => Diagnostic::from(problem).at(file, line.parse().ok(), column.parse().ok()),
        None => said.at_place(problem),
    })
}

pub(super) fn undefined(said: &Said<'_>) -> Option<Diagnostic> {
    let [name] = said.find(r"undefined variable '([^']+)'")?;
    let name = name.to_owned();
    Some(said.at_place(ExpressionProblem::UndefinedVariable { name }))
}

pub(super) fn attribute_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let [name] = said
        .find(r"attribute '([^']+)' missing")
        .or_else(|| said.find(r"does not provide attribute [^\n]*?'([^']+)'"))?;
    if name.ends_with("nixosConfigurations") {
        return Some(FlakeProblem::NoHosts.into());
    }
    let similar = said.find(r"Did you mean ([^\n]+)\?");
    Some(said.at_place(ExpressionProblem::AttributeMissing {
        name: name.to_owned(),
        similar: similar.map(|[names]| names.to_owned()),
    }))
}

pub(super) fn file_missing(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said
        .find(r"path '([^']+)' does not exist")
        .or_else(|| said.find(r"getting status of '([^']+)': No such file"))
        .or_else(|| said.find(r"opening file '([^']+)': No such file"))?;
    // In a copy of the tree, of which `path` may be no file, or relative to it.
    let in_tree: PathBuf = match Path::new(path).strip_prefix(STORE) {
        Ok(in_store) => in_store.components().skip(1).collect(),
        Err(_) => path.into(),
    };
    if let Some(root) = said.context.root
        && let Some(submodule) = lint::submodule_of(root, &in_tree)
    {
        let file = in_tree.clone();
        let problem = said.at_place(ModuleProblem::InSubmodule { file, submodule });
        // Nix names the place of what imports the directory, at best.
        let mention = in_tree.parent().unwrap_or(&in_tree);
        return Some(locate::at_path(problem, root, mention));
    }
    let is_elsewhere = path.starts_with('/') && !path.starts_with(STORE);
    if let Some(problem) = outside(said, path).filter(|_| is_elsewhere) {
        return Some(problem);
    }
    let missing = |path: &Path| ExpressionProblem::FileMissing {
        path: path.display().to_string(),
    };
    // The copy of the tree is one of several sources: what a file of the tree names is its own.
    if let Some(root) = said.context.root.filter(|_| path.starts_with(STORE)) {
        let own = locate::at_path(missing(&in_tree).into(), root, &in_tree);
        if own.place.is_some() {
            return Some(own);
        }
    }
    let path = Path::new(path);
    Some(said.at_place_or(missing(path), |problem, root| locate::at_path(problem, root, path)))
}

pub(super) fn recursion(said: &Said<'_>) -> Option<Diagnostic> {
    said.find::<0>(r"infinite recursion encountered")?;
    Some(said.at_place(ExpressionProblem::Recursion))
}

pub(super) fn special_file(said: &Said<'_>) -> Option<Diagnostic> {
    let [path] = said.find(r"file '([^']+)' has an unsupported type")?;
    let path = path.to_owned();
    Some(ExpressionProblem::SpecialFile { path }.into())
}
