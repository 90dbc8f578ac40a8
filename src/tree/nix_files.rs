//! The Nix files of a tree, and paths in it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::syntax::{NixFile, TokenKind};

/// All entries of the tree that are no directories, relative to it, in the order of their names; without git's database.
pub(crate) fn files(root: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let root = root.to_owned();
    let entries = WalkDir::new(&root).sort_by_file_name().into_iter();
    entries
        .filter_entry(|entry| entry.file_name() != ".git")
        .flatten()
        .filter(|entry| !entry.file_type().is_dir())
        .filter_map(move |entry| Some(entry.path().strip_prefix(&root).ok()?.to_owned()))
}

/// The path in the tree and the text of each Nix file, in the order of their names: not of links, nor of what is not UTF-8.
pub(crate) fn nix_files(root: &Path) -> impl Iterator<Item = (PathBuf, String)> + use<> {
    let root = root.to_owned();
    let is_nix = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "nix");
    files(&root.clone()).filter(is_nix).filter_map(move |file| {
        let path = root.join(&file);
        let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        let text = is_file.then(|| fs::read_to_string(path).ok())??;
        Some((file, text))
    })
}

/// The path literals in the Nix file `text` at `file` of a tree that lead to files of the tree, relative to it. They need
/// not exist.
pub(crate) fn literal_paths(file: &Path, text: &str) -> Vec<PathBuf> {
    let tokens = NixFile::parse(text).tokens();
    let literals = tokens.filter(|token| token.kind == TokenKind::Path && token.text.starts_with('.'));
    literals
        .filter_map(|literal| normal(&file.with_file_name(&literal.text)))
        .collect()
}

/// The path without `.` and `..`; `None` when it is absolute, leaves the tree, or is the tree itself.
pub(crate) fn normal(path: &Path) -> Option<PathBuf> {
    inside(path).filter(|path| !path.as_os_str().is_empty())
}

/// As [`normal`]; the tree itself is the empty path.
pub(crate) fn inside(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(out)
}
