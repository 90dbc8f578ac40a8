//! What a module sets, as it is written: attribute paths with their values and lines, without evaluating anything.

use rnix::ast::{AstNode, Attr, Attrpath, Entry, Expr, HasEntry, InterpolPart};
use rnix::{SyntaxNode, TextRange};

/// One attribute that a module sets.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its path: `fileSystems`, `/`, `device`. A part that is computed is shown as it is written.
    pub path: Vec<String>,
    /// The value as it is written; no attribute set, except an empty or recursive one.
    pub value: SyntaxNode,
    /// The line of its name, counted from 1.
    pub line: u32,
}

/// The attributes of the module `text`, in order, down to values that are not attribute sets.
///
/// `None` when it is not a module that is written out as an attribute set.
#[must_use]
pub fn attributes(text: &str) -> Option<Vec<Attribute>> {
    let mut found = Vec::new();
    for (path, value, range) in entries(text)? {
        flatten(text, path, &value, range, &mut found);
    }
    Some(found)
}

/// `text` without the entries that the module itself has for one of `paths`; all else stays byte for byte.
#[must_use]
pub fn without(text: &str, paths: &[Vec<String>]) -> String {
    let mut rest = text.to_owned();
    let gone = entries(text).unwrap_or_default().into_iter();
    let mut gone: Vec<TextRange> = gone
        .filter(|(path, ..)| paths.contains(path))
        .map(|(.., range)| range)
        .collect();
    gone.sort_by_key(|range| range.start());
    for range in gone.into_iter().rev() {
        let (start, end) = (usize::from(range.start()), usize::from(range.end()));
        // The whole lines, where nothing else stands in them.
        let line = rest[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let start = if rest[line..start].trim().is_empty() {
            line
        } else {
            start
        };
        let end = if rest[end..].starts_with('\n') { end + 1 } else { end };
        rest.replace_range(start..end, "");
    }
    rest
}

fn syntax(node: &impl AstNode) -> SyntaxNode {
    node.syntax().clone()
}

fn cast<N: AstNode>(node: SyntaxNode) -> Option<N> {
    N::cast(node)
}

type Found = (Vec<String>, Expr, TextRange);

/// The entries of the module's own set.
fn entries(text: &str) -> Option<Vec<Found>> {
    let parsed = rnix::Root::parse(text);
    if !parsed.errors().is_empty() {
        return None;
    }
    let Expr::AttrSet(set) = body(parsed.tree().expr()?)? else {
        return None;
    };
    Some(entries_of(&set))
}

fn entries_of(set: &impl HasEntry) -> Vec<Found> {
    let mut found = Vec::new();
    for entry in set.entries() {
        match entry {
            Entry::AttrpathValue(entry) => {
                if let (Some(path), Some(value)) = (entry.attrpath(), entry.value()) {
                    found.push((names(&path), value, syntax(&entry).text_range()));
                }
            }
            Entry::Inherit(inherit) => {
                let range = syntax(&inherit).text_range();
                for attr in inherit.attrs() {
                    let name = name(&attr);
                    // What is inherited is a name and no value of its own.
                    if let Some(value) = cast::<Expr>(syntax(&attr)) {
                        found.push((vec![name], value, range));
                    }
                }
            }
        }
    }
    found
}

/// The attribute set at the end of a module's function, `let`, `with` and parentheses.
fn body(module: Expr) -> Option<Expr> {
    match module {
        Expr::Lambda(lambda) => body(lambda.body()?),
        Expr::LetIn(inner) => body(inner.body()?),
        Expr::With(inner) => body(inner.body()?),
        Expr::Assert(inner) => body(inner.body()?),
        Expr::Paren(inner) => body(inner.expr()?),
        other => Some(other),
    }
}

fn flatten(text: &str, path: Vec<String>, value: &Expr, range: TextRange, found: &mut Vec<Attribute>) {
    match value {
        Expr::AttrSet(set) if set.rec_token().is_none() && set.entries().next().is_some() => {
            for (more, value, range) in entries_of(set) {
                flatten(text, [path.clone(), more].concat(), &value, range, found);
            }
        }
        _ => {
            let line = text[..usize::from(range.start())].matches('\n').count() + 1;
            found.push(Attribute {
                path,
                value: syntax(value),
                line: u32::try_from(line).unwrap_or(u32::MAX),
            });
        }
    }
}

fn names(path: &Attrpath) -> Vec<String> {
    path.attrs().map(|attr| name(&attr)).collect()
}

fn name(attr: &Attr) -> String {
    if let Attr::Str(text) = attr
        && let [InterpolPart::Literal(literal)] = text.normalized_parts().as_slice()
    {
        return literal.clone();
    }
    syntax(attr).text().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_sets_and_dotted_paths_are_the_same() {
        let text = "{ lib, ... }:\nlet x = 1; in\n{\n  boot = {\n    kernelParams = [ \"quiet\" ];\n    loader.grub = { enable = true; };\n  };\n  \
                    fileSystems.\"/\" = {\n    device = \"x\";\n  };\n  inherit (x) y;\n}\n";
        let found = attributes(text).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|one| format!("{} {}", one.line, one.path.join(".")))
            .collect();
        assert_eq!(
            shown,
            [
                "5 boot.kernelParams",
                "6 boot.loader.grub.enable",
                "9 fileSystems./.device",
                "11 y"
            ]
        );
        assert!(attributes("import ./x.nix").is_none());
        assert!(attributes("{ a = }").is_none());
    }

    #[test]
    fn an_entry_is_taken_out_with_its_lines_and_the_rest_stays() {
        let text = "{ ... }:\n{\n  fileSystems.\"/\" =\n    { device = \"/dev/x\";\n    };\n\n  # mine\n  fileSystems.\"/a b\".device = \"y\";\n  z = 1; }\n";
        let path = |at: &str| vec!["fileSystems".to_owned(), at.to_owned()];
        assert_eq!(
            without(text, &[path("/"), path("/nowhere")]),
            "{ ... }:\n{\n\n  # mine\n  fileSystems.\"/a b\".device = \"y\";\n  z = 1; }\n"
        );
        assert_eq!(without(text, &[]), text);
    }
}
