//! The files that the configuration certainly consists of, read before Nix is started: is each one there, and valid Nix?
//!
//! Only what is certain is followed: from configuration.nix on, the paths that stand in a list that is a module's own
//! `imports`. A file that only a condition, a function or another host reaches may be missing or unfinished, and is left
//! to Nix.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rnix::ast::{self, AstToken, Attr, BinOpKind, Entry, Expr, HasEntry, InterpolPart};
use rnix::{ParseError, SyntaxKind};

use crate::diagnostic::Diagnostic;
use crate::tree::hardware::{HARDWARE_CONFIGURATION, normal};
use crate::tree::source::{CONFIGURATION_NIX, ConfigKind, FLAKE_NIX};

/// A file that is not there or not Nix, and what is to be said about it.
#[derive(Debug)]
pub struct BadModule {
    /// Relative to the tree.
    pub file: PathBuf,
    /// Whether it exists.
    pub exists: bool,
    /// What is wrong.
    pub problem: Diagnostic,
}

/// Follows the imports of the configuration in the tree at `root`, in the order in which Nix would come to them. The
/// hardware configuration need not be there yet.
#[must_use]
pub fn bad_modules(root: &Path, kind: ConfigKind) -> Vec<BadModule> {
    walk(root, kind).0
}

/// The files that the same walk comes to, relative to the tree.
pub(super) fn imported(root: &Path, kind: ConfigKind) -> BTreeSet<PathBuf> {
    walk(root, kind).1
}

fn walk(root: &Path, kind: ConfigKind) -> (Vec<BadModule>, BTreeSet<PathBuf>) {
    let first = match kind {
        ConfigKind::Channel => CONFIGURATION_NIX,
        // Which modules a flake's host has is for Nix to say.
        ConfigKind::Flake => FLAKE_NIX,
    };
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([PathBuf::from(first)]);
    let mut queue = vec![PathBuf::from(first)];
    while let Some(file) = queue.pop() {
        let Ok(text) = fs::read_to_string(root.join(&file)) else {
            continue;
        };
        let parsed = rnix::Root::parse(&text);
        if let Some(error) = parsed.errors().first() {
            found.push(BadModule {
                problem: not_nix(&file, &text, error),
                file,
                exists: true,
            });
            continue;
        }
        let imports = parsed.tree().expr().map(imports).unwrap_or_default();
        // Taken from the end.
        for (literal, at) in imports.into_iter().rev() {
            let Some(wanted) = normal(&file.with_file_name(&literal)) else {
                continue;
            };
            if wanted.file_name().is_some_and(|name| name == HARDWARE_CONFIGURATION) {
                continue;
            }
            match module_file(root, &wanted) {
                Some(module) if seen.insert(module.clone()) => queue.push(module),
                None if seen.insert(wanted.clone()) => {
                    let (line, column) = position(&text, at);
                    found.push(BadModule {
                        problem: not_there(&file, &wanted, line, column),
                        file: wanted,
                        exists: false,
                    });
                }
                _ => {}
            }
        }
    }
    (found, seen)
}

/// The file that an import of `wanted` reads; `None` when there is none.
fn module_file(root: &Path, wanted: &Path) -> Option<PathBuf> {
    let inside = if root.join(wanted).is_dir() {
        wanted.join("default.nix")
    } else {
        wanted.to_owned()
    };
    // A link may lead to what only Nix can judge.
    root.join(&inside).symlink_metadata().ok().map(|_| inside)
}

/// The paths in the list that is the module's own `imports`, with their offsets.
fn imports(module: Expr) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    let Some(set) = body(module) else { return found };
    for entry in set.entries() {
        let Entry::AttrpathValue(entry) = entry else { continue };
        let mut names = entry.attrpath().into_iter().flat_map(|path| path.attrs());
        let is_imports = matches!(names.next(), Some(Attr::Ident(name)) if name.ident_token().is_some_and(|token| token.text() == "imports"));
        if let (true, None, Some(value)) = (is_imports, names.next(), entry.value()) {
            collect(value, &mut found);
        }
    }
    found
}

/// The attribute set that a module is, below its arguments.
fn body(module: Expr) -> Option<ast::AttrSet> {
    match module {
        Expr::AttrSet(set) => Some(set),
        Expr::Lambda(lambda) => body(lambda.body()?),
        Expr::LetIn(inner) => body(inner.body()?),
        Expr::With(inner) => body(inner.body()?),
        Expr::Assert(inner) => body(inner.body()?),
        Expr::Paren(inner) => body(inner.expr()?),
        _ => None,
    }
}

fn collect(list: Expr, found: &mut Vec<(PathBuf, usize)>) {
    match list {
        Expr::List(list) => {
            for item in list.items() {
                if let Expr::PathRel(path) = item
                    && let [InterpolPart::Literal(text)] = path.parts().as_slice()
                {
                    let token = text.syntax();
                    found.push((PathBuf::from(token.text()), usize::from(token.text_range().start())));
                }
            }
        }
        Expr::BinOp(both) if both.operator() == Some(BinOpKind::Concat) => {
            for side in [both.lhs(), both.rhs()].into_iter().flatten() {
                collect(side, found);
            }
        }
        Expr::Paren(inner) => {
            if let Some(inner) = inner.expr() {
                collect(inner, found);
            }
        }
        _ => {}
    }
}

fn not_there(file: &Path, wanted: &Path, line: u32, column: u32) -> Diagnostic {
    Diagnostic::error(
        "import-missing",
        format!("The configuration imports {}, which does not exist", wanted.display()),
    )
    .at(file, Some(line), Some(column))
    .because("It was not copied with the configuration, or its name is spelt in another way.")
    .remedy("Add the file to the configuration, or remove it from `imports`.")
}

fn not_nix(file: &Path, text: &str, error: &ParseError) -> Diagnostic {
    let end = text.trim_end().len();
    let (at, why) = match error {
        ParseError::UnexpectedWanted(got, range, wanted) => (
            usize::from(range.start()),
            match words(wanted) {
                Some(wanted) => format!("{} stands here, and {wanted} is expected.", word(*got)),
                None => format!("{} does not fit here.", word(*got)),
            },
        ),
        ParseError::UnexpectedEOFWanted(wanted) => (
            end,
            match words(wanted) {
                Some(wanted) => {
                    format!("The file ends where {wanted} is expected: something that was opened is not closed.")
                }
                None => ENDS.to_owned(),
            },
        ),
        ParseError::UnexpectedEOF => (end, ENDS.to_owned()),
        ParseError::Unexpected(range) | ParseError::UnexpectedExtra(range) => (
            usize::from(range.start()),
            "What stands here belongs to nothing.".to_owned(),
        ),
        ParseError::UnexpectedDoubleBind(range) => {
            (usize::from(range.start()), "The arguments get a name twice.".to_owned())
        }
        ParseError::DuplicatedArgs(range, name) => (
            usize::from(range.start()),
            format!("The argument `{name}` is there twice."),
        ),
        _ => (0, error.to_string()),
    };
    let (line, column) = position(text, at);
    Diagnostic::error("syntax", format!("{} is not valid Nix", file.display()))
        .at(file, Some(line), Some(column))
        .because(why)
        .remedy("Correct it at the place above, or just before it.")
}

const ENDS: &str = "The file ends too early: something that was opened is not closed.";

/// A list of what would do; `None` when it is so long that it says nothing.
fn words(kinds: &[SyntaxKind]) -> Option<String> {
    let mut names: Vec<String> = kinds.iter().map(|kind| word(*kind)).collect();
    names.sort();
    names.dedup();
    match names.split_last() {
        Some((last, [])) => Some(last.clone()),
        Some((last, first)) if first.len() < 4 => Some(format!("{} or {last}", first.join(", "))),
        _ => None,
    }
}

fn word(kind: SyntaxKind) -> String {
    let sign = match kind {
        SyntaxKind::TOKEN_SEMICOLON => ";",
        SyntaxKind::TOKEN_ASSIGN => "=",
        SyntaxKind::TOKEN_COLON => ":",
        SyntaxKind::TOKEN_COMMA => ",",
        SyntaxKind::TOKEN_DOT => ".",
        SyntaxKind::TOKEN_AT => "@",
        SyntaxKind::TOKEN_QUESTION => "?",
        SyntaxKind::TOKEN_L_BRACE => "{",
        SyntaxKind::TOKEN_R_BRACE => "}",
        SyntaxKind::TOKEN_L_BRACK => "[",
        SyntaxKind::TOKEN_R_BRACK => "]",
        SyntaxKind::TOKEN_L_PAREN => "(",
        SyntaxKind::TOKEN_R_PAREN => ")",
        SyntaxKind::TOKEN_IDENT => return "a name".to_owned(),
        SyntaxKind::TOKEN_STRING_START => return "a string".to_owned(),
        SyntaxKind::TOKEN_STRING_END => return "the end of a string".to_owned(),
        SyntaxKind::TOKEN_PATH_ABS | SyntaxKind::TOKEN_PATH_REL => return "a path".to_owned(),
        SyntaxKind::TOKEN_IN => "in",
        SyntaxKind::TOKEN_THEN => "then",
        SyntaxKind::TOKEN_ELSE => "else",
        other => return format!("{other:?}").trim_start_matches("TOKEN_").to_lowercase(),
    };
    format!("`{sign}`")
}

/// Line and column of an offset, both counted from 1; columns count characters.
pub(in crate::tree) fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    (number(line), number(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(files: &[(&str, &str)], kind: ConfigKind) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let told = |broken: &BadModule| format!("{} {}", broken.problem.code, broken.problem.place.as_ref().unwrap());
        bad_modules(root.path(), kind).iter().map(told).collect()
    }

    #[test]
    fn imports_are_followed_through_folders_and_every_fault_is_placed() {
        let files = [
            (
                "configuration.nix",
                "{ lib, ... }:\nlet x = 1; in\n{\n  imports = [ ./hardware-configuration.nix ./a ] ++ [ ./gone.nix ./b.nix ];\n}\n",
            ),
            ("a/default.nix", "{ imports = [ ../b.nix ./deep.nix ]; }"),
            ("a/deep.nix", "{\n  a = 1\n}\n"),
            ("b.nix", "{ x = [ 1 2; }"),
        ];
        assert_eq!(
            look(&files, ConfigKind::Channel),
            [
                "import-missing configuration.nix:4:55",
                "syntax a/deep.nix:3:1",
                "syntax b.nix:1:12"
            ]
        );
    }

    #[test]
    fn what_may_never_be_read_is_left_to_nix() {
        let files = [
            (
                "configuration.nix",
                "{ lib, ... }: {\n  imports = lib.optional false ./none.nix ++ [ (import ./none.nix) ./${\"x\"}.nix ../out.nix ];\n  \
                 a.imports = [ ./none.nix ];\n  # imports = [ ./none.nix ];\n}",
            ),
            ("draft.nix", "{ a = ; }"),
        ];
        assert_eq!(look(&files, ConfigKind::Channel), [""; 0]);
        let flake = [
            ("flake.nix", "{ outputs = _: { }; }"),
            ("configuration.nix", "{ imports = [ ./none.nix ]; }"),
        ];
        assert_eq!(look(&flake, ConfigKind::Flake), [""; 0]);
    }

    #[test]
    fn a_file_that_ends_too_early_is_placed_at_its_end() {
        assert_eq!(
            look(&[("flake.nix", "{\n  a = 1;\n")], ConfigKind::Flake),
            ["syntax flake.nix:2:9"]
        );
    }
}
