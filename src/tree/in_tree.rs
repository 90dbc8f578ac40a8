//! Where in the tree a file is that Nix names.

use std::path::{Path, PathBuf};

use super::source::INSTALLED;

/// `file` relative to the tree at `root`, if it is in it: a flake is evaluated from its copy in the store, a channel
/// configuration where the installed system has it.
#[must_use]
pub fn in_tree(file: &str, root: &Path) -> Option<PathBuf> {
    let file = Path::new(file);
    let inside = match file.strip_prefix("/nix/store") {
        Ok(in_store) => in_store.components().skip(1).collect(),
        Err(_) => file
            .strip_prefix(INSTALLED)
            .or_else(|_| file.strip_prefix(root))
            .ok()?
            .to_owned(),
    };
    root.join(&inside).is_file().then_some(inside)
}
