//! The files that the configuration certainly consists of, read before Nix is started: is each one there, and valid Nix?
//!
//! Only what is certain is followed: from configuration.nix on, the paths that stand in a list that is a module's own
//! `imports`. A file that only a condition, a function or another host reaches may be absent or invalid, and is left to Nix.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::absent_content::{is_locked, submodule_of};
use crate::diagnostic::{Diagnostic, ModuleProblem};
use crate::tree::nix_files::normal;
use crate::tree::source::{CONFIGURATION_NIX, ConfigKind, FLAKE_NIX, HARDWARE_CONFIGURATION};
use crate::tree::syntax::{NixFile, Shape, position};

/// A file that is not there, or not valid Nix.
#[derive(Debug)]
pub struct BadModule {
    /// Relative to the tree.
    pub file: PathBuf,
    /// Whether it exists.
    pub exists: bool,
    /// A [`ModuleProblem`].
    pub problem: Diagnostic,
}

/// Follows the imports of the configuration in the tree at `root`, in the order in which Nix would come to them. The
/// hardware configuration need not be there yet.
pub fn bad_modules(root: &Path, kind: ConfigKind) -> Vec<BadModule> {
    walk(root, kind).0
}

/// The files that the same walk comes to, relative to the tree.
pub(super) fn imported(root: &Path, kind: ConfigKind) -> BTreeSet<PathBuf> {
    walk(root, kind).1
}

fn walk(root: &Path, kind: ConfigKind) -> (Vec<BadModule>, BTreeSet<PathBuf>) {
    let first = match kind {
        ConfigKind::Channel => CONFIGURATION_NIX,
        // Which modules a flake's host has is for Nix to say.
        ConfigKind::Flake => FLAKE_NIX,
    };
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([PathBuf::from(first)]);
    let mut queue = vec![PathBuf::from(first)];
    while let Some(file) = queue.pop() {
        if is_locked(&root.join(&file)) {
            let locked = ModuleProblem::Locked { file: file.clone() };
            let problem = Diagnostic::from(locked).at(&file, None, None);
            let exists = true;
            found.push(BadModule { file, exists, problem });
            continue;
        }
        let Ok(text) = fs::read_to_string(root.join(&file)) else {
            continue;
        };
        let parsed = NixFile::parse(&text);
        let at = |problem: ModuleProblem, offset| {
            let (line, column) = position(&text, offset);
            Diagnostic::from(problem).at(&file, Some(line), Some(column))
        };
        if let Some((mistake, offset)) = parsed.mistake() {
            let syntax = ModuleProblem::Syntax {
                file: file.clone(),
                mistake,
            };
            found.push(BadModule {
                problem: at(syntax, offset),
                file,
                exists: true,
            });
            continue;
        }
        // Taken from the end.
        for (wanted, offset) in imports(&parsed, &file).into_iter().rev() {
            let module = module_file(root, &wanted);
            if !seen.insert(module.clone()) {
                continue;
            }
            // A link may lead to what only Nix can judge.
            if root.join(&module).symlink_metadata().is_ok() {
                queue.push(module);
                continue;
            }
            let problem = match submodule_of(root, &module) {
                Some(submodule) => ModuleProblem::InSubmodule {
                    file: module.clone(),
                    submodule,
                },
                None => ModuleProblem::ImportMissing { wanted: module.clone() },
            };
            found.push(BadModule {
                problem: at(problem, offset),
                file: module,
                exists: false,
            });
        }
    }
    (found, seen)
}

/// The paths in the lists that are the module's own `imports`, relative to the tree, with their offsets. Not the hardware
/// configuration, nor what is outside the tree.
fn imports(file: &NixFile<'_>, path: &Path) -> Vec<(PathBuf, usize)> {
    let bindings = file.module().map(|module| module.bindings).unwrap_or_default();
    let imports = bindings.iter().filter(|binding| binding.is("imports"));
    let items = imports
        .flat_map(|binding| binding.value.lists())
        .flat_map(|(_, items)| items);
    let paths = items.filter_map(|item| match &item.shape {
        Shape::Path(literal) => Some((normal(&path.with_file_name(literal))?, item.range.start)),
        _ => None,
    });
    let is_hardware = |path: &Path| path.file_name().is_some_and(|name| name == HARDWARE_CONFIGURATION);
    paths.filter(|(path, _)| !is_hardware(path)).collect()
}

/// The file that an import of `wanted` reads; it need not exist.
fn module_file(root: &Path, wanted: &Path) -> PathBuf {
    if root.join(wanted).is_dir() {
        wanted.join("default.nix")
    } else {
        wanted.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(files: &[(&str, &str)], kind: ConfigKind) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let reported =
            |broken: &BadModule| format!("{} {}", broken.problem.code, broken.problem.place.as_ref().unwrap());
        bad_modules(root.path(), kind).iter().map(reported).collect()
    }

    #[test]
    fn imports_are_followed_through_directories_and_every_fault_is_placed() {
        let files = [
            (
                "configuration.nix",
                "{ lib, ... }:\nlet x = 1; in\n{\n  imports = [ ./hardware-configuration.nix ./a ] ++ [ ./gone.nix ./b.nix ];\n}\n",
            ),
            ("a/default.nix", "{ imports = [ ../b.nix ./deep.nix ]; }"),
            ("a/deep.nix", "{\n  a = 1\n}\n"),
            ("b.nix", "{ x = [ 1 2; }"),
        ];
        assert_eq!(
            look(&files, ConfigKind::Channel),
            [
                "import-missing configuration.nix:4:55",
                "syntax a/deep.nix:3:1",
                "syntax b.nix:1:12"
            ]
        );
    }

    #[test]
    fn what_is_locked_or_not_checked_out_is_called_so() {
        let files = [
            (
                "configuration.nix",
                "{ imports = [ ./secret.nix ./mods/x ./mods/y ./empty ]; }",
            ),
            ("secret.nix", "\0GITCRYPT\0abc"),
            (".gitmodules", "[submodule \"x\"]\n\tpath = mods/x\n"),
            ("mods/y/default.nix", "{ }"),
            ("mods/x/.keep", ""),
            ("empty/.keep", ""),
        ];
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::remove_file(root.path().join("mods/x/.keep")).unwrap();
        let said = |broken: &BadModule| format!("{} {}", broken.problem.code, broken.file.display());
        let found: Vec<String> = bad_modules(root.path(), ConfigKind::Channel).iter().map(said).collect();
        assert_eq!(
            found,
            [
                "import-missing empty/default.nix",
                "submodule-missing mods/x/default.nix",
                "file-locked secret.nix"
            ]
        );
    }

    #[test]
    fn what_may_never_be_read_is_left_to_nix() {
        let files = [
            (
                "configuration.nix",
                "{ lib, ... }: {\n  imports = lib.optional false ./none.nix ++ [ (import ./none.nix) ./${\"x\"}.nix ../out.nix ];\n  \
                 a.imports = [ ./none.nix ];\n  # imports = [ ./none.nix ];\n}",
            ),
            ("draft.nix", "{ a = ; }"),
        ];
        assert_eq!(look(&files, ConfigKind::Channel), [""; 0]);
        let flake = [
            ("flake.nix", "{ outputs = _: { }; }"),
            ("configuration.nix", "{ imports = [ ./none.nix ]; }"),
        ];
        assert_eq!(look(&flake, ConfigKind::Flake), [""; 0]);
    }

    #[test]
    fn a_file_that_ends_too_early_is_placed_at_its_end() {
        assert_eq!(
            look(&[("flake.nix", "{\n  a = 1;\n")], ConfigKind::Flake),
            ["syntax flake.nix:2:9"]
        );
    }
}
