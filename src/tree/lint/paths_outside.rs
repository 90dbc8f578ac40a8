//! Paths in the Nix files of a tree that lead out of it.

use std::path::Path;

use crate::diagnostic::{Diagnostic, ModuleProblem};
use crate::tree::nix_files::{inside, nix_files};
use crate::tree::syntax::{NixFile, TokenKind, position};

/// A warning for each relative path literal that leads out of the tree at `root`: only the tree is copied.
pub fn paths_outside(root: &Path) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    // Parsing is slow, and most files have no such path.
    for (file, text) in nix_files(root).filter(|(_, text)| text.contains("..")) {
        let tokens = NixFile::parse(&text).tokens();
        for token in tokens.filter(|token| token.kind == TokenKind::Path && token.text.starts_with("..")) {
            if inside(&file.with_file_name(&token.text)).is_none() {
                let (line, column) = position(&text, token.offset);
                let problem = Diagnostic::from(ModuleProblem::PathOutside { path: token.text });
                problems.push(problem.at(&file, Some(line), Some(column)));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_path_that_leads_out_of_the_tree_is_found_at_its_place() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("hosts")).unwrap();
        let put = |name: &str, text: &str| fs::write(tree.path().join(name), text).unwrap();
        put("flake.nix", "{\n  outputs = _: import ../common.nix;\n}");
        // The tree itself, a file of it, a comment and a string are not outside.
        put("hosts/a.nix", "# ../../x\n[ ../. ../flake.nix ./b.nix \"../../y\" ]");
        let problems = paths_outside(tree.path());
        let places: Vec<String> = problems
            .iter()
            .map(|problem| format!("{} {}", problem.code, problem.place.as_ref().unwrap()))
            .collect();
        assert_eq!(places, ["path-outside flake.nix:2:23"]);
        put("hosts/a.nix", "../../z");
        assert_eq!(paths_outside(tree.path()).len(), 2);
    }
}
