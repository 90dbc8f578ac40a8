//! Where in the tree the thing is that an error is about: a file, a path or a package that Nix names.

use std::path::{Path, PathBuf};

use super::nix_files::{nix_files, normal};
use super::source::ETC_NIXOS;
use super::syntax::{NixFile, Token, TokenKind, position};
use crate::diagnostic::Diagnostic;

/// `file` relative to the tree at `root`, if it is in it: a flake is evaluated from its copy in the store, a channel
/// configuration where the installed system has it.
pub fn in_tree(file: &str, root: &Path) -> Option<PathBuf> {
    let file = Path::new(file);
    let inside = match file.strip_prefix("/nix/store") {
        Ok(in_store) => in_store.components().skip(1).collect(),
        Err(_) => file
            .strip_prefix(ETC_NIXOS)
            .or_else(|_| file.strip_prefix(root))
            .ok()?
            .to_owned(),
    };
    root.join(&inside).is_file().then_some(inside)
}

/// `problem` at the first place of the tree at `root` whose path literal leads to `wanted` (relative to the tree).
pub(crate) fn at_path(problem: Diagnostic, root: &Path, wanted: &Path) -> Diagnostic {
    let Some(name) = wanted.file_name().and_then(|name| name.to_str()) else {
        return problem;
    };
    let leads_there = |file: &Path, token: &Token| {
        token.kind == TokenKind::Path
            && token.text.starts_with('.')
            && normal(&file.with_file_name(&token.text)).is_some_and(|path| path == wanted)
    };
    at_first(problem, root, name, leads_there)
}

/// `problem` at the first place of the tree at `root` that names the package `full_name` (`htop-3.3.0`) by its name
/// without the version.
pub(crate) fn at_package(problem: Diagnostic, root: &Path, full_name: &str) -> Diagnostic {
    let name = package_name(full_name);
    at_first(problem, root, name, |_, token| {
        token.kind == TokenKind::Identifier && token.text == name
    })
}

/// `problem` at the first place of the tree at `root` that looks up `<path>`.
pub(crate) fn at_lookup(problem: Diagnostic, root: &Path, path: &str) -> Diagnostic {
    let text = format!("<{path}>");
    at_first(problem, root, &text, |_, token| {
        token.kind == TokenKind::LookupPath && token.text == text
    })
}

/// `problem` at the first place of the tree at `root` with the text `url` or, without one, the name `function`.
pub(crate) fn at_fetch(problem: Diagnostic, root: &Path, url: &str, function: &str) -> Diagnostic {
    let problem = at_first(problem, root, url, |_, token| !url.is_empty() && token.text == url);
    if problem.place.is_some() {
        return problem;
    }
    at_first(problem, root, function, |_, token| {
        token.kind == TokenKind::Identifier && token.text == function
    })
}

/// `full_name` without the version, which begins at the first dash that no letter follows, as in `builtins.parseDrvName`.
pub fn package_name(full_name: &str) -> &str {
    let dashes = full_name.match_indices('-').map(|(at, _)| at);
    let version = dashes
        .into_iter()
        .find(|at| full_name[at + 1..].starts_with(|next: char| !next.is_alphabetic()));
    version.map_or(full_name, |at| &full_name[..at])
}

fn at_first(problem: Diagnostic, root: &Path, text: &str, is_it: impl Fn(&Path, &Token) -> bool) -> Diagnostic {
    // Parsing is slow, and most files do not name it.
    let mut files = nix_files(root).filter(|(_, contents)| contents.contains(text));
    let first = files.find_map(|(file, contents)| {
        let token = NixFile::parse(&contents).tokens().find(|token| is_it(&file, token))?;
        let (line, column) = position(&contents, token.offset);
        Some((file, line, column))
    });
    match first {
        Some((file, line, column)) => problem.at(file, Some(line), Some(column)),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::diagnostic::CopyProblem;

    #[test]
    fn a_package_and_a_file_are_found_where_the_tree_names_them() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(
            root.path().join("a/x.nix"),
            "# htop\n{ pkgs, ... }:\n{ p = [ \"htop\" pkgs.htop ];\n  f = ../b/c; }",
        )
        .unwrap();
        let problem = || Diagnostic::from(CopyProblem::SetId);
        let place = |problem: Diagnostic| problem.place.map(|place| place.to_string());
        assert_eq!(
            place(at_package(problem(), root.path(), "htop-3.3.0")).as_deref(),
            Some("a/x.nix:3:21")
        );
        assert_eq!(place(at_package(problem(), root.path(), "nano-7")), None);
        assert_eq!(
            place(at_path(problem(), root.path(), Path::new("b/c"))).as_deref(),
            Some("a/x.nix:4:7")
        );
        assert_eq!(place(at_path(problem(), root.path(), Path::new("a/b/c"))), None);
    }

    #[test]
    fn a_name_ends_where_its_version_begins() {
        for (full, name) in [
            ("htop-3.3.0", "htop"),
            ("unfree-game-1.0", "unfree-game"),
            ("hello", "hello"),
            ("a-2b-c", "a"),
        ] {
            assert_eq!(package_name(full), name);
        }
    }
}
