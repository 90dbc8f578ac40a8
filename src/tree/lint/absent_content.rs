//! Files whose content is not there: locked by git-crypt, or in a submodule that is not checked out.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, LintProblem};
use crate::tree::nix_files::files;

/// How a file begins that git-crypt encrypted (its `commands.cpp`).
const LOCKED: &[u8; 10] = b"\0GITCRYPT\0";

/// How many files a warning names.
const SHOWN: usize = 3;

/// Warns of both in the tree at `root`: the configuration may not need them.
pub fn absent_content(root: &Path) -> Vec<Diagnostic> {
    let locked: Vec<PathBuf> = files(root).filter(|file| is_locked(&root.join(file))).collect();
    let mut problems = Vec::new();
    let first = |paths: &[PathBuf]| paths.iter().take(SHOWN).cloned().collect();
    if let Some(file) = locked.first() {
        let (count, first) = (locked.len(), first(&locked));
        problems.push(Diagnostic::from(LintProblem::Locked { count, first }).at(file, None, None));
    }
    let empty = submodules(root);
    if !empty.is_empty() {
        let (count, first) = (empty.len(), first(&empty));
        problems.push(LintProblem::EmptySubmodules { count, first }.into());
    }
    problems
}

/// Whether git-crypt has encrypted the file at `path`.
pub fn is_locked(path: &Path) -> bool {
    if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        return false;
    }
    let mut start = [0; LOCKED.len()];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *LOCKED
}

/// The submodule that is not checked out, and that `file` of the tree at `root` would be in.
pub fn submodule_of(root: &Path, file: &Path) -> Option<PathBuf> {
    submodules(root)
        .into_iter()
        .find(|submodule| file.starts_with(submodule))
}

/// The directories that .gitmodules names and that are empty.
fn submodules(root: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(root.join(".gitmodules")).unwrap_or_default();
    let paths = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "path").then(|| PathBuf::from(value.trim()))
    });
    paths
        .filter(|path| fs::read_dir(root.join(path)).map_or(true, |mut entries| entries.next().is_none()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_files_and_empty_submodules_are_named_and_what_is_there_is_not() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &[u8]| {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let modules = "[submodule \"a\"]\n\tpath = a\n\turl = x\n[submodule \"b\"]\n\tpath = mods/b\n";
        put(".gitmodules", modules.as_bytes());
        put("a/default.nix", b"{ }");
        assert_eq!(submodules(tree.path()), [Path::new("mods/b")]);
        put("mods/b/x", b"");
        assert_eq!(absent_content(tree.path()), []);
        put("secrets/wifi.nix", b"\0GITCRYPT\0 and more");
        put("short", b"\0GIT");
        let found = absent_content(tree.path());
        let [problem] = found.as_slice() else {
            panic!("{found:?}")
        };
        let text = problem.to_string();
        assert!(
            text.contains("secrets/wifi.nix") && text.contains("git-crypt unlock"),
            "{text}"
        );
    }
}
