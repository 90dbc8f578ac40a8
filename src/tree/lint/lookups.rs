//! What the Nix files of a tree look up in the search path: `<home-manager/nixos>`.

use std::path::{Path, PathBuf};

use super::bad_modules;
use crate::tree::nix_files::nix_files;
use crate::tree::source::ConfigKind;
use crate::tree::syntax::{NixFile, TokenKind, position};

/// What every channel configuration can look up: nixpkgs by both of its names, itself, and what Nix brings.
pub const ALWAYS_AVAILABLE: [&str; 4] = ["nix", "nixos", "nixos-config", "nixpkgs"];

/// One `<…>` in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// As it stands there, with its brackets.
    pub text: String,
    /// The channel: what stands before the first slash.
    pub name: String,
    /// Relative to the tree.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: u32,
    /// Whether the configuration certainly imports the file: others may never be read.
    pub imported: bool,
}

/// The look-ups of a channel configuration that need a channel besides nixpkgs, by file and line.
pub fn lookups(root: &Path) -> Vec<Lookup> {
    let imported = bad_modules::imported(root, ConfigKind::Channel);
    let mut found = Vec::new();
    for (file, text) in nix_files(root) {
        let tokens = NixFile::parse(&text).tokens();
        for token in tokens.filter(|token| token.kind == TokenKind::LookupPath) {
            let name = token
                .text
                .trim_matches(['<', '>'])
                .split('/')
                .next()
                .unwrap_or_default();
            if !ALWAYS_AVAILABLE.contains(&name) {
                found.push(Lookup {
                    name: name.to_owned(),
                    line: position(&text, token.offset).0,
                    imported: imported.contains(&file),
                    file: file.clone(),
                    text: token.text,
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_needs_a_channel_is_found_and_what_every_machine_has_is_not() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(tree.path().join(name), text).unwrap();
        put(
            "configuration.nix",
            "{ pkgs ? import <nixpkgs> { }, ... }:\n# <gone>\n{ imports = [\n  <home-manager/nixos>\n  ./a.nix <nixos/x> ]; x = \"<text>\"; }",
        );
        put("a.nix", "[ <nixos-config> <nix/fetchurl.nix> <nixos-hardware> ]");
        put("shell.nix", "import <unstable> { }");
        let found: Vec<_> = lookups(tree.path())
            .into_iter()
            .map(|found| {
                (
                    found.text,
                    found.name,
                    found.file.display().to_string(),
                    found.line,
                    found.imported,
                )
            })
            .collect();
        let expected = [
            ("<nixos-hardware>", "nixos-hardware", "a.nix", 1, true),
            ("<home-manager/nixos>", "home-manager", "configuration.nix", 4, true),
            ("<unstable>", "unstable", "shell.nix", 1, false),
        ];
        let expected = expected
            .map(|(text, name, file, line, used)| (text.to_owned(), name.to_owned(), file.to_owned(), line, used));
        assert_eq!(found, expected);
    }
}
