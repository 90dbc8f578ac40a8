//! The Nix files of a tree.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// The path in the tree and the text of each, in the order of their names. Not those in git's database, nor what is no text.
pub fn nix_files(root: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let root = root.to_owned();
    let entries = WalkDir::new(&root).sort_by_file_name().into_iter();
    entries
        .filter_entry(|entry| entry.file_name() != ".git")
        .flatten()
        .filter(|entry| entry.file_type().is_file() && entry.path().extension().is_some_and(|ext| ext == "nix"))
        .filter_map(move |entry| {
            let path = entry.path().strip_prefix(&root).ok()?.to_owned();
            Some((path, fs::read_to_string(entry.path()).ok()?))
        })
}
