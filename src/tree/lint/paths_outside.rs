//! Paths in the Nix files of a tree that lead out of it.

use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, ModuleProblem};
use crate::tree::nix_files::{inside, nix_files};
use crate::tree::syntax::{NixFile, Token, TokenKind, position};

/// A relative path literal that leads out of the tree: as it is written, with its file, line and column.
type Outside = (String, PathBuf, u32, u32);

/// A warning for each path literal that leads out of the tree at `root`, to a directory above or to a home directory: only the
/// tree is copied. A file that asks with `pathExists` whether the path is there can do without it.
pub fn paths_outside(root: &Path) -> Vec<Diagnostic> {
    let problem = |(path, file, line, column): Outside| {
        Diagnostic::from(ModuleProblem::PathOutside { path, is_read: false }).at(file, Some(line), Some(column))
    };
    literals(root).into_iter().map(problem).collect()
}

/// The error that `path`, which is outside of the tree at `root`, is read: at the literal that leads there, where there is one.
pub fn read_outside(root: &Path, path: &Path) -> Option<Diagnostic> {
    let leads_there = |literal: &Outside| Path::new(&literal.0).file_name() == path.file_name();
    let (path, file, line, column) = literals(root).into_iter().find(leads_there)?;
    let problem = ModuleProblem::PathOutside { path, is_read: true };
    Some(Diagnostic::from(problem).at(file, Some(line), Some(column)))
}

fn literals(root: &Path) -> Vec<Outside> {
    let mut found = Vec::new();
    // Parsing is slow, and most files have no such path.
    for (file, text) in nix_files(root).filter(|(_, text)| text.contains("..") || text.contains("~/")) {
        let tokens: Vec<Token> = NixFile::parse(&text).tokens().collect();
        let leads_out =
            |path: &str| path.starts_with('~') || path.starts_with('.') && inside(&file.with_file_name(path)).is_none();
        let optional = asked_for(&tokens);
        for token in &tokens {
            if token.kind == TokenKind::Path && leads_out(&token.text) && !optional.contains(&token.text.as_str()) {
                let (line, column) = position(&text, token.offset);
                found.push((token.text.clone(), file.clone(), line, column));
            }
        }
    }
    found
}

/// The paths that are arguments of `pathExists`.
fn asked_for(tokens: &[Token]) -> Vec<&str> {
    let words = tokens
        .iter()
        .filter(|token| token.kind != TokenKind::Blank && token.text != "(");
    let words: Vec<&Token> = words.collect();
    let asked = words.windows(2).filter(|pair| pair[0].text == "pathExists");
    asked.map(|pair| pair[1].text.as_str()).collect()
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
        put(
            "hosts/a.nix",
            "[ ~/x ./b/../../../y ../b/../c.nix (if builtins.pathExists ../../maybe then ../../maybe else 0) \
             (pathExists (../../asked)) ]",
        );
        let texts: Vec<String> = paths_outside(tree.path())[1..]
            .iter()
            .map(|one| one.what.clone())
            .collect();
        assert_eq!(
            texts,
            ["~/x", "./b/../../../y"].map(|path| format!("{path} is outside of the configuration"))
        );
        put("hosts/a.nix", "../../z");
        assert_eq!(paths_outside(tree.path()).len(), 2);
        let read = read_outside(tree.path(), Path::new("/nix/store/z")).unwrap();
        assert!(read.what.contains("../../z") && read.place.unwrap().file == Path::new("hosts/a.nix"));
        assert_eq!(read_outside(tree.path(), Path::new("/nix/store/y")), None);
    }
}
