//! The structure of the source: who imports whom, what files are called, and how long they are.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use walkdir::WalkDir;

/// One file of a crate, as a module.
struct Module {
    /// `tree::lint::links`; empty for lib.rs.
    path: Vec<String>,
    file: PathBuf,
    /// The paths that it names, as written: `crate::…`, `super::…` or `self::…`. Not those of its tests.
    names: Vec<Vec<String>>,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of src/, each after all that it may import: in the order in which they are declared, a mod.rs (and at last lib.rs)
/// after the modules that it declares.
fn modules() -> Vec<Module> {
    let mut modules = Vec::new();
    read(&project().join("src/lib.rs"), &[], &mut modules);
    modules
}

fn read(file: &Path, path: &[String], modules: &mut Vec<Module>) {
    let text = fs::read_to_string(file).unwrap();
    let mut found = Found::default();
    found.walk(&text.parse::<TokenStream>().unwrap());
    for child in &found.declared {
        let directory = file.parent().unwrap();
        let files = [format!("{child}.rs"), format!("{child}/mod.rs")].map(|name| directory.join(name));
        let file = files.iter().find(|file| file.exists()).unwrap();
        read(file, &[path, std::slice::from_ref(child)].concat(), modules);
    }
    modules.push(Module {
        path: path.to_vec(),
        file: file.to_owned(),
        names: found.names,
    });
}

/// What the tokens of a file say.
#[derive(Default)]
struct Found {
    /// `mod NAME;`
    declared: Vec<String>,
    names: Vec<Vec<String>>,
}

impl Found {
    fn walk(&mut self, tokens: &TokenStream) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut rest = &tokens[..];
        while let [first, after @ ..] = rest {
            rest = after;
            match first {
                TokenTree::Punct(hash) if hash.as_char() == '#' && after.first().is_some_and(is_for_tests) => {
                    rest = after_item(after);
                }
                TokenTree::Ident(word) if word == "mod" && after.get(1).is_some_and(|end| is(end, ';')) => {
                    self.declared.push(after[0].to_string());
                }
                TokenTree::Ident(word) if ["crate", "super", "self"].iter().any(|start| word == start) => {
                    rest = self.name(&[word.to_string()], after);
                }
                TokenTree::Group(group) => self.walk(&group.stream()),
                _ => {}
            }
        }
    }

    /// Follows a path that begins with `start` and goes on with `rest`, through the braces of a `use`. Returns what comes after it.
    fn name<'a>(&mut self, start: &[String], rest: &'a [TokenTree]) -> &'a [TokenTree] {
        match rest {
            [one, two, TokenTree::Ident(word), after @ ..] if is(one, ':') && is(two, ':') => {
                self.name(&[start, &[word.to_string()]].concat(), after)
            }
            [one, two, TokenTree::Group(group), after @ ..]
                if is(one, ':') && is(two, ':') && group.delimiter() == Delimiter::Brace =>
            {
                let parts: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in parts.split(|token| is(token, ',')) {
                    if let [TokenTree::Ident(word), after @ ..] = part {
                        self.name(&[start, &[word.to_string()]].concat(), after);
                    }
                }
                after
            }
            // A single `self` is a value, and `pub(crate)` imports nothing.
            _ if start.len() == 1 && !rest.first().is_some_and(|next| is(next, ':')) => rest,
            _ => {
                self.names.push(start.to_vec());
                rest
            }
        }
    }
}

fn is(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// `[cfg(test)]`, after the `#`.
fn is_for_tests(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// What comes after an item: it ends with `;` or with braces.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| {
        is(token, ';') || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
    };
    let end = tokens.iter().position(ends).unwrap();
    &tokens[end + 1..]
}

/// Each reference from one file to another, as the indices of both in `modules`.
fn references(modules: &[Module]) -> Vec<(usize, usize)> {
    let places: BTreeMap<&[String], usize> = modules
        .iter()
        .enumerate()
        .map(|(index, module)| (&module.path[..], index))
        .collect();
    let mut references = Vec::new();
    for (from, module) in modules.iter().enumerate() {
        for name in &module.names {
            let mut path = if name[0] == "crate" {
                Vec::new()
            } else {
                module.path.clone()
            };
            for word in name {
                match word.as_str() {
                    "crate" | "self" => {}
                    "super" => drop(path.pop()),
                    _ => path.push(word.clone()),
                }
            }
            // What is no module is an item of the module before it.
            while !places.contains_key(&path[..]) {
                path.pop();
            }
            let to = places[&path[..]];
            if to != from {
                references.push((from, to));
            }
        }
    }
    references.sort_unstable();
    references.dedup();
    references
}

/// References to what comes later, as `FILE imports FILE`.
fn upward(between_directories: bool) -> Vec<String> {
    let modules = modules();
    let is_between = |(from, to): &(usize, usize)| modules[*from].path.first() != modules[*to].path.first();
    let file = |index: usize| {
        modules[index]
            .file
            .strip_prefix(project())
            .unwrap()
            .display()
            .to_string()
    };
    references(&modules)
        .into_iter()
        .filter(|reference| reference.1 > reference.0 && is_between(reference) == between_directories)
        .map(|(from, to)| format!("{} imports {}", file(from), file(to)))
        .collect()
}

#[test]
fn every_kind_of_import_is_found_and_those_of_tests_are_not() {
    let source = "
        pub(crate) mod child;
        use crate::{a::b::C, d::{self, e as f}, g};
        use super::*;
        use std::fs;
        fn one(self) { log::debug!(\"{}\", crate::h::i(self)) }
        #[cfg(test)]
        mod tests { use super::super::j; }
        #[cfg(test)]
        pub use crate::k;
        fn two() { self::l() }";
    let mut found = Found::default();
    found.walk(&source.parse().unwrap());
    let names: Vec<String> = found.names.iter().map(|name| name.join("::")).collect();
    let expected = [
        "crate::a::b::C",
        "crate::d::self",
        "crate::d::e",
        "crate::g",
        "super",
        "crate::h::i",
        "self::l",
    ];
    assert_eq!(names, expected);
    assert_eq!(found.declared, ["child"]);
}

fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn a_directory_imports_only_directories_that_lib_rs_declares_before_it() {
    none(&upward(true), "These imports run up the order of src/lib.rs");
}

/// One order of all files, and so no circle: a file imports only modules that its mod.rs, or one above that, declares before it,
/// and nothing from its mod.rs itself.
#[test]
fn a_file_imports_only_files_that_come_before_it_in_its_directory() {
    let found = upward(false);
    none(
        &found,
        "These imports run up the order of the modules, or to a mod.rs that comes after them",
    );
}

/// All of the project's own files in Rust.
fn files(under: &[&str]) -> Vec<PathBuf> {
    let all = under
        .iter()
        .flat_map(|directory| WalkDir::new(project().join(directory)).sort_by_file_name());
    all.map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| !path.components().any(|part| part.as_os_str() == "target"))
        .map(|path| path.strip_prefix(project()).unwrap().to_owned())
        .collect()
}

#[test]
fn no_two_source_files_have_the_same_name() {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files(&["src"]) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        named.entry(name).or_default().push(file.display().to_string());
    }
    let twice = named
        .into_iter()
        .filter(|(name, files)| name != "mod.rs" && files.len() > 1);
    let twice: Vec<String> = twice.map(|(_, files)| files.join(" ")).collect();
    none(&twice, "These files have the same name");
}

#[test]
fn every_file_has_less_than_400_lines() {
    let files = files(&["src", "crates", "examples", "tests"]);
    assert!(files.len() > 100, "{files:?}");
    let long = files.into_iter().filter_map(|file| {
        let lines = fs::read_to_string(project().join(&file)).unwrap().lines().count();
        (lines >= 400).then(|| format!("{}: {lines}", file.display()))
    });
    none(&long.collect::<Vec<_>>(), "These files have 400 lines or more");
}
