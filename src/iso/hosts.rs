//! The hosts of a flake, as far as its text tells them: Nix would have to fetch all inputs to say it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rnix::ast::{self, HasEntry};

use crate::report::Problem;
use crate::tree::lock::plain;
use crate::tree::source::FLAKE;

/// The hosts to put on the ISO: `wanted`, or the only one that the flake names.
///
/// # Errors
/// A [`Problem`] when nothing is wanted and the flake does not name exactly one.
pub fn choose(tree: &Path, wanted: &[String]) -> Result<Vec<String>> {
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let text = fs::read_to_string(tree.join(FLAKE)).with_context(|| format!("Failed to read {FLAKE}"))?;
    let found = named(&text);
    if let [_] = found.as_slice() {
        return Ok(found);
    }
    let what = if found.is_empty() {
        "The text of flake.nix names no host".to_owned()
    } else {
        format!("The flake has several hosts: {}", found.join(", "))
    };
    Err(Problem::error("host-unclear", what)
        .because("The ISO must know which of its nixosConfigurations it installs.")
        .remedy("Name it with --host NAME, several times for several hosts. `nix flake show` lists them.")
        .into())
}

/// The names under `nixosConfigurations` that stand in the text: `nixosConfigurations.NAME =` or
/// `nixosConfigurations = { NAME = …; }`. Computed names are not seen.
fn named(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for node in rnix::Root::parse(text).syntax().descendants() {
        let Some(entry) = cast::<ast::AttrpathValue>(node) else {
            continue;
        };
        let path: Vec<Option<String>> = entry
            .attrpath()
            .iter()
            .flat_map(ast::Attrpath::attrs)
            .map(|name| plain(&name))
            .collect();
        let Some(at) = path
            .iter()
            .position(|name| name.as_deref() == Some("nixosConfigurations"))
        else {
            continue;
        };
        if let Some(name) = path.get(at + 1) {
            found.extend(name.clone());
        } else if let Some(ast::Expr::AttrSet(set)) = entry.value() {
            let inner = set
                .attrpath_values()
                .filter_map(|entry| entry.attrpath()?.attrs().next());
            found.extend(inner.filter_map(|name| plain(&name)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The node as a `T`: rnix does not export the trait that its own `AstNode` stands on.
fn cast<T: ast::AstNode>(node: rnix::SyntaxNode) -> Option<T> {
    T::cast(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_both_spellings_and_computed_ones_are_not_guessed() {
        let both = "{ outputs = i: { nixosConfigurations.\"b\" = 1; nixosConfigurations.a.x = 2; }; }";
        assert_eq!(named(both), ["a", "b"]);
        assert_eq!(
            named("{ outputs = i: { nixosConfigurations = { one = 1; \"two\" = 2; }; }; }"),
            ["one", "two"]
        );
        assert!(named("i: { nixosConfigurations = mapAttrs f hosts; nixosConfigurations.${x} = 1; }").is_empty());
    }

    #[test]
    fn without_exactly_one_name_it_must_be_said() {
        let tree = tempfile::tempdir().unwrap();
        let flake = |text: &str| fs::write(tree.path().join(FLAKE), text).unwrap();
        flake("{ outputs = i: { nixosConfigurations.only = 1; }; }");
        assert_eq!(choose(tree.path(), &[]).unwrap(), ["only"]);
        flake("{ outputs = i: { nixosConfigurations = { a = 1; b = 2; }; }; }");
        let error = choose(tree.path(), &[]).unwrap_err().to_string();
        assert!(
            error.contains("several hosts: a, b") && error.contains("--host"),
            "{error}"
        );
        assert_eq!(choose(tree.path(), &["b".to_owned()]).unwrap(), ["b"]);
    }
}
