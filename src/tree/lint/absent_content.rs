//! Files that git has, and that are not there yet: locked by git-crypt, or in a submodule that is not checked out.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::diagnostic::Diagnostic;

/// How a file begins that git-crypt encrypted (its `commands.cpp`).
const LOCKED: &[u8; 10] = b"\0GITCRYPT\0";

/// How many files a warning names.
const SHOWN: usize = 3;

/// Warns of both in the tree at `root`: what is not read may stay so.
#[must_use]
pub fn absent_content(root: &Path) -> Vec<Diagnostic> {
    let locked = locked(root);
    let empty = submodules(root);
    let mut problems = Vec::new();
    if !locked.is_empty() {
        let what = format!("git-crypt has locked files of the configuration: {}", locked.len());
        problems.push(
            Diagnostic::warning("tree-locked", what)
                .at(&locked[0], None, None)
                .because(format!(
                    "Nix cannot read them, and their programs would get them encrypted. The first: {}.",
                    names(&locked)
                ))
                .remedy("Run `git-crypt unlock` in the configuration, and the same command again. Leave it as it is if the system does not read them."),
        );
    }
    if !empty.is_empty() {
        problems.push(
            Diagnostic::warning("tree-submodule", format!("Submodules are not checked out: {}", names(&empty)))
                .because("Their folders are empty, and what imports from them would find nothing.")
                .remedy("Run `git submodule update --init` in the configuration, and the same command again. Leave it as it is if the system does not read them."),
        );
    }
    problems
}

fn names(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .take(SHOWN)
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}

/// The files that git-crypt encrypted, relative to the tree, by name.
fn locked(root: &Path) -> Vec<PathBuf> {
    let entries = WalkDir::new(root).sort_by_file_name().into_iter();
    entries
        .filter_entry(|entry| entry.file_name() != ".git")
        .flatten()
        .filter(|entry| entry.file_type().is_file() && begins_locked(entry.path()))
        .filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_owned()))
        .collect()
}

fn begins_locked(path: &Path) -> bool {
    let mut start = [0; LOCKED.len()];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && start == *LOCKED
}

/// The folders that .gitmodules names and that have nothing in them.
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
