//! The syntax of Nix files, as plain values: attribute paths, lists, path literals and mistakes with their offsets. Nothing
//! is evaluated. The only file that uses rnix.

use std::ops::Range;
use std::path::PathBuf;

use rnix::ast::{Apply, AstNode, Attr, AttrpathValue, BinOpKind, Entry, Expr, HasEntry, InterpolPart};
use rnix::{NodeOrToken, Parse, ParseError, Root, SyntaxKind, SyntaxNode, TextRange};

use crate::diagnostic::SyntaxMistake;

/// A file that was parsed, as far as it is valid Nix.
pub(crate) struct NixFile<'a> {
    text: &'a str,
    parsed: Parse<Root>,
}

/// The attribute set that a module is, below its arguments, `let`, `with`, `assert` and parentheses.
pub(crate) struct Module {
    /// Where its first binding can be written: the offset just after its `{`.
    pub start: usize,
    pub bindings: Vec<Binding>,
}

/// `path = value;`, or one name of an `inherit`.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub path: Vec<Name>,
    pub value: Value,
    /// All of it, with its semicolon.
    pub range: Range<usize>,
}

/// One part of an attribute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Literal(String),
    /// It is computed (`${x}`): its source text.
    Computed(String),
}

/// An expression.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub range: Range<usize>,
    pub shape: Shape,
}

#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Set {
        recursive: bool,
        bindings: Vec<Binding>,
    },
    List(Vec<Value>),
    /// What `++` joins.
    Concatenation(Vec<Value>),
    /// A string without interpolation: its contents.
    String(String),
    /// A relative path without interpolation, as it is written.
    Path(PathBuf),
    Other,
}

/// The tokens that are looked for one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Identifier,
    /// A path, or the part of one before or after an interpolation.
    Path,
    /// `<nixpkgs>`
    LookupPath,
    /// A comment or white space.
    Blank,
    Other,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub text: String,
    /// In bytes.
    pub offset: usize,
}

impl<'a> NixFile<'a> {
    pub fn parse(text: &'a str) -> Self {
        let parsed = Root::parse(text);
        Self { text, parsed }
    }

    /// The first mistake and its offset.
    pub fn mistake(&self) -> Option<(SyntaxMistake, usize)> {
        self.parsed.errors().first().map(|error| mistake(error, self.text))
    }

    /// The module; `None` when the file is not valid, or no module that is written out as an attribute set.
    pub fn module(&self) -> Option<Module> {
        if !self.parsed.errors().is_empty() {
            return None;
        }
        let Expr::AttrSet(set) = module_body(self.parsed.tree().expr()?)? else {
            return None;
        };
        Some(Module {
            start: set.l_curly_token()?.text_range().end().into(),
            bindings: bindings(&set),
        })
    }

    /// The `path = value;` of all attribute sets and `let`s of the file, in order; those inside of a value come after it.
    pub fn all_bindings(&self) -> impl Iterator<Item = Binding> + use<> {
        let entries = self.parsed.syntax().descendants().filter_map(cast::<AttrpathValue>);
        entries.flat_map(|entry| binding(Entry::AttrpathValue(entry)))
    }

    /// Where the arguments of function calls are.
    pub fn arguments(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let calls = self.parsed.syntax().descendants().filter_map(cast::<Apply>);
        calls.filter_map(|call| Some(range(&call.argument()?)))
    }

    pub fn tokens(&self) -> impl Iterator<Item = Token> + use<> {
        let all = self.parsed.syntax().descendants_with_tokens();
        all.filter_map(NodeOrToken::into_token).map(|token| Token {
            kind: token_kind(token.kind()),
            text: token.text().to_owned(),
            offset: token.text_range().start().into(),
        })
    }
}

impl Binding {
    /// Whether it is `name = …;`.
    pub fn is(&self, name: &str) -> bool {
        matches!(self.path.as_slice(), [only] if only.literal() == Some(name))
    }
}

impl Name {
    /// As it is to be shown: a literal name without quotation marks.
    pub fn text(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Computed(text) => text,
        }
    }

    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(name) => Some(name),
            Self::Computed(_) => None,
        }
    }
}

impl Value {
    /// The lists that certainly are part of the value: itself, or those that `++` joins.
    pub fn lists(&self) -> Vec<(&Range<usize>, &[Value])> {
        match &self.shape {
            Shape::List(items) => vec![(&self.range, items)],
            Shape::Concatenation(sides) => sides.iter().flat_map(Self::lists).collect(),
            _ => Vec::new(),
        }
    }
}

/// Line and column of an offset, both counted from 1; columns count characters.
pub(crate) fn position(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    (number(line), number(column))
}

/// The node as a `T`: rnix does not export the trait that its own `AstNode` stands on.
fn cast<T: AstNode>(node: SyntaxNode) -> Option<T> {
    T::cast(node)
}

fn range(node: &impl AstNode) -> Range<usize> {
    offsets(node.syntax().text_range())
}

fn offsets(range: TextRange) -> Range<usize> {
    range.start().into()..range.end().into()
}

fn module_body(module: Expr) -> Option<Expr> {
    match module {
        Expr::Lambda(lambda) => module_body(lambda.body()?),
        Expr::LetIn(inner) => module_body(inner.body()?),
        Expr::With(inner) => module_body(inner.body()?),
        Expr::Assert(inner) => module_body(inner.body()?),
        Expr::Paren(inner) => module_body(inner.expr()?),
        other => Some(other),
    }
}

fn bindings(set: &impl HasEntry) -> Vec<Binding> {
    set.entries().flat_map(binding).collect()
}

fn binding(entry: Entry) -> Vec<Binding> {
    match entry {
        Entry::AttrpathValue(entry) => {
            let parts = entry.attrpath().zip(entry.value());
            let found = parts.map(|(path, value)| Binding {
                path: path.attrs().map(|attr| name(&attr)).collect(),
                value: self::value(value),
                range: range(&entry),
            });
            found.into_iter().collect()
        }
        Entry::Inherit(inherit) => {
            let names = inherit.attrs().map(|attr| Binding {
                path: vec![name(&attr)],
                value: Value {
                    range: range(&attr),
                    shape: Shape::Other,
                },
                range: range(&inherit),
            });
            names.collect()
        }
    }
}

fn value(expression: Expr) -> Value {
    let range = range(&expression);
    let shape = match expression {
        Expr::AttrSet(set) => Shape::Set {
            recursive: set.rec_token().is_some(),
            bindings: bindings(&set),
        },
        Expr::List(list) => Shape::List(list.items().map(value).collect()),
        Expr::BinOp(both) if both.operator() == Some(BinOpKind::Concat) => {
            Shape::Concatenation([both.lhs(), both.rhs()].into_iter().flatten().map(value).collect())
        }
        Expr::Str(string) => literal(&string).map_or(Shape::Other, Shape::String),
        Expr::PathRel(path) => match path.parts().as_slice() {
            [InterpolPart::Literal(_)] => Shape::Path(path.to_string().into()),
            _ => Shape::Other,
        },
        Expr::Paren(inner) => match inner.expr().map(value) {
            Some(inner) if !matches!(inner.shape, Shape::Other) => return inner,
            _ => Shape::Other,
        },
        _ => Shape::Other,
    };
    Value { range, shape }
}

fn name(attr: &Attr) -> Name {
    let literal = match attr {
        Attr::Ident(name) => Some(name.to_string()),
        Attr::Str(name) => literal(name),
        Attr::Dynamic(_) => None,
    };
    literal.map_or_else(|| Name::Computed(attr.to_string()), Name::Literal)
}

fn literal(string: &rnix::ast::Str) -> Option<String> {
    match string.normalized_parts().as_slice() {
        [] => Some(String::new()),
        [InterpolPart::Literal(text)] => Some(text.clone()),
        _ => None,
    }
}

fn token_kind(kind: SyntaxKind) -> TokenKind {
    match kind {
        SyntaxKind::TOKEN_IDENT => TokenKind::Identifier,
        SyntaxKind::TOKEN_PATH_ABS | SyntaxKind::TOKEN_PATH_REL | SyntaxKind::TOKEN_PATH_HOME => TokenKind::Path,
        SyntaxKind::TOKEN_PATH_SEARCH => TokenKind::LookupPath,
        SyntaxKind::TOKEN_COMMENT | SyntaxKind::TOKEN_WHITESPACE => TokenKind::Blank,
        _ => TokenKind::Other,
    }
}

fn mistake(error: &ParseError, text: &str) -> (SyntaxMistake, usize) {
    let end = text.trim_end().len();
    let at = |range: &TextRange| usize::from(range.start());
    match error {
        ParseError::UnexpectedWanted(found, range, wanted) => {
            let (found, expected) = (Some(token_name(*found)), token_names(wanted));
            (SyntaxMistake::Unexpected { found, expected }, at(range))
        }
        ParseError::UnexpectedEOFWanted(wanted) => {
            let expected = token_names(wanted);
            (SyntaxMistake::EndsTooEarly { expected }, end)
        }
        ParseError::UnexpectedEOF => (SyntaxMistake::EndsTooEarly { expected: Vec::new() }, end),
        ParseError::Unexpected(range) | ParseError::UnexpectedExtra(range) => {
            let (found, expected) = (None, Vec::new());
            (SyntaxMistake::Unexpected { found, expected }, at(range))
        }
        ParseError::UnexpectedDoubleBind(range) => (SyntaxMistake::ArgumentsNamedTwice, at(range)),
        _ => (SyntaxMistake::Other(error.to_string()), 0),
    }
}

fn token_names(kinds: &[SyntaxKind]) -> Vec<String> {
    let mut names: Vec<String> = kinds.iter().map(|kind| token_name(*kind)).collect();
    names.sort();
    names.dedup();
    names
}

/// A token as a message shows it.
fn token_name(kind: SyntaxKind) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_below_its_arguments_and_starts_after_its_brace() {
        for text in [
            "{ a = 1; }",
            "{ lib, ... }: let x = {}; in with x; assert true; (rec { a = 1; })",
        ] {
            let module = NixFile::parse(text).module().unwrap();
            assert!(text[module.start..].starts_with(" a = 1;"), "{text}");
            assert!(module.bindings[0].is("a"));
        }
        assert!(NixFile::parse("import ./x.nix").module().is_none());
        assert!(NixFile::parse("{ a = ").module().is_none());
    }

    #[test]
    fn names_and_values_are_plain_only_where_nothing_is_computed() {
        let text = r#"{ a."b c".${d} = [ "x" "${y}" ./z ./${z} (1) (./w) ] ++ [ ]; inherit (e) f; }"#;
        let bindings = NixFile::parse(text).module().unwrap().bindings;
        let literals: Vec<Option<&str>> = bindings[0].path.iter().map(Name::literal).collect();
        assert_eq!(literals, [Some("a"), Some("b c"), None]);
        assert_eq!(bindings[0].path[2].text(), "${d}");
        assert!(bindings[1].is("f"));
        let lists = bindings[0].value.lists();
        assert_eq!(&text[lists[1].0.clone()], "[ ]");
        let plain = lists[0].1.iter().map(|item| match &item.shape {
            Shape::String(text) => text.clone(),
            Shape::Path(path) => path.display().to_string(),
            _ => format!("other {}", &text[item.range.clone()]),
        });
        let plain: Vec<String> = plain.collect();
        assert_eq!(
            plain,
            ["x", "other \"${y}\"", "./z", "other ./${z}", "other (1)", "./w"]
        );
    }

    #[test]
    fn a_mistake_has_its_offset_and_what_was_expected() {
        let expected = vec!["`;`".to_owned()];
        let mistake = |text: &str| NixFile::parse(text).mistake();
        assert_eq!(
            mistake("{ a = 1 }"),
            Some((
                SyntaxMistake::Unexpected {
                    found: Some("`}`".to_owned()),
                    expected: expected.clone()
                },
                8
            ))
        );
        assert_eq!(
            mistake("{ a = 1\n"),
            Some((SyntaxMistake::EndsTooEarly { expected }, 7))
        );
        assert_eq!(mistake("a@{ }@b: a"), Some((SyntaxMistake::ArgumentsNamedTwice, 5)));
        assert_eq!(position("ä\nöx", 5), (2, 2));
    }
}
