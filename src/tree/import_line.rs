//! One more import for a hardware-configuration.nix, as one marked line.

use rnix::{SyntaxKind, SyntaxNode};

/// Ends the line that is added, so that a person and a later run know it again.
pub const MARK: &str = "# what only the installer knew of this machine (nix-cfg-install)";

/// `text`, a NixOS module, with the file `name` beside it added to its imports. All else stays byte for byte.
///
/// `None` when it is no module that is written out as an attribute set.
#[must_use]
pub fn add(text: &str, name: &str) -> Option<String> {
    let module = module_body(rnix::Root::parse(text).syntax())?;
    let (at, added) = if let Some(list) = imports(&module) {
        let bracket = token(&list, SyntaxKind::TOKEN_R_BRACK)?;
        let line_start = text[..bracket].rfind('\n').map_or(0, |newline| newline + 1);
        let before = &text[line_start..bracket];
        if before.trim().is_empty() {
            (line_start, format!("{before}  ./{name} {MARK}\n"))
        } else {
            let indent = &before[..before.len() - before.trim_start().len()];
            (bracket, format!("\n{indent}  ./{name} {MARK}\n{indent}"))
        }
    } else {
        let brace = token(&module, SyntaxKind::TOKEN_L_BRACE)? + 1;
        (brace, format!("\n  imports = [ ./{name} ]; {MARK}"))
    };
    Some(format!("{}{added}{}", &text[..at], &text[at..]))
}

/// The name of the file that an earlier [`add`] imports.
#[must_use]
pub fn added(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.trim_end().ends_with(MARK))?;
    let (_, path) = line.split_once("./")?;
    path.split([' ', ']']).next().filter(|name| !name.contains('/'))
}

/// The attribute set at the end of a module's function, `let` and `with`.
fn module_body(node: SyntaxNode) -> Option<SyntaxNode> {
    match node.kind() {
        SyntaxKind::NODE_ATTR_SET => Some(node),
        SyntaxKind::NODE_ROOT
        | SyntaxKind::NODE_LAMBDA
        | SyntaxKind::NODE_LET_IN
        | SyntaxKind::NODE_WITH
        | SyntaxKind::NODE_PAREN => module_body(node.last_child()?),
        _ => None,
    }
}

/// The first list in the value of `imports`.
fn imports(module: &SyntaxNode) -> Option<SyntaxNode> {
    let entry = module
        .children()
        .find(|entry| entry.first_child().is_some_and(|path| path.text() == "imports"))?;
    entry.descendants().find(|node| node.kind() == SyntaxKind::NODE_LIST)
}

/// Where the last token of that kind among a node's own begins.
fn token(node: &SyntaxNode, kind: SyntaxKind) -> Option<usize> {
    let tokens = node.children_with_tokens().filter_map(rnix::NodeOrToken::into_token);
    let found = tokens.filter(|token| token.kind() == kind).last()?;
    Some(usize::from(found.text_range().start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_file_gets_exactly_one_more_line() {
        let generated = "# Do not modify this file!\n{ config, lib, pkgs, modulesPath, ... }:\n\n{\n  imports =\n    \
                         [ (modulesPath + \"/installer/scan/not-detected.nix\")\n    ];\n\n  swapDevices = [ ];\n}\n";
        let text = add(generated, "machine.nix").unwrap();
        let line = format!("      ./machine.nix {MARK}\n");
        assert!(text.contains(&line), "{text}");
        assert_eq!(text.replace(&line, ""), generated);
        assert_eq!(added(&text), Some("machine.nix"));
        assert_eq!(added(generated), None);
    }

    #[test]
    fn other_shapes_of_a_module_are_understood() {
        let cases = [
            (
                "{ ... }: { imports = [ ]; }",
                format!("{{ ... }}: {{ imports = [ \n  ./m.nix {MARK}\n]; }}"),
            ),
            (
                "{ lib, ... }:\nlet a = 1; in with lib;\n{\n  swapDevices = [ ];\n}\n",
                format!(
                    "{{ lib, ... }}:\nlet a = 1; in with lib;\n{{\n  imports = [ ./m.nix ]; {MARK}\n  swapDevices = [ ];\n}}\n"
                ),
            ),
            (
                "{\n  imports = [ ./a.nix ] ++ [ ./b.nix ];\n}\n",
                format!("{{\n  imports = [ ./a.nix \n    ./m.nix {MARK}\n  ] ++ [ ./b.nix ];\n}}\n"),
            ),
        ];
        for (before, expected) in cases {
            let text = add(before, "m.nix").unwrap();
            assert_eq!(text, expected);
            assert!(rnix::Root::parse(&text).errors().is_empty(), "{text}");
            assert_eq!(added(&text), Some("m.nix"));
        }
        assert_eq!(add("import ./other.nix", "m.nix"), None);
    }
}
