//! What a module sets, as it is written: attribute paths with their values and lines, without evaluating anything.

use std::ops::Range;

use super::syntax::{Binding, NixFile, Shape, Value, position};

/// One attribute that a module sets.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    /// Its path: `fileSystems`, `/`, `device`. A part that is computed is shown as it is written.
    pub path: Vec<String>,
    /// No attribute set, except an empty or recursive one.
    pub value: Value,
    /// The line of its name, counted from 1.
    pub line: u32,
}

/// The attributes of the module `text`, in order, down to values that are not attribute sets.
///
/// `None` when it is not a module that is written out as an attribute set.
pub(crate) fn attributes(text: &str) -> Option<Vec<Attribute>> {
    let mut found = Vec::new();
    flatten(text, &[], NixFile::parse(text).module()?.bindings, &mut found);
    Some(found)
}

fn flatten(text: &str, outer: &[String], bindings: Vec<Binding>, found: &mut Vec<Attribute>) {
    for binding in bindings {
        let path = [outer, &names(&binding)].concat();
        match binding.value.shape {
            Shape::Set { recursive, bindings } if !recursive && !bindings.is_empty() => {
                flatten(text, &path, bindings, found);
            }
            _ => found.push(Attribute {
                path,
                line: position(text, binding.range.start).0,
                value: binding.value,
            }),
        }
    }
}

fn names(binding: &Binding) -> Vec<String> {
    binding.path.iter().map(|name| name.text().to_owned()).collect()
}

/// `text` without the bindings that the module's own set has for one of `paths`; all else stays byte for byte.
pub(crate) fn without(text: &str, paths: &[Vec<String>]) -> String {
    let bindings = NixFile::parse(text).module().map(|module| module.bindings);
    let removed = bindings
        .into_iter()
        .flatten()
        .filter(|binding| paths.contains(&names(binding)));
    let mut removed: Vec<Range<usize>> = removed.map(|binding| binding.range).collect();
    removed.sort_by_key(|range| range.start);
    let mut rest = text.to_owned();
    for Range { start, end } in removed.into_iter().rev() {
        // The whole lines, where nothing else is in them.
        let line = rest[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let is_first = rest[line..start].trim().is_empty();
        let end = if rest[end..].starts_with('\n') { end + 1 } else { end };
        rest.replace_range(if is_first { line } else { start }..end, "");
    }
    rest
}

/// `text` without the attribute of a module that is set at this place (line and column, counted from 1): spaces stand in its
/// place, so that all else keeps its own. Also what was there, with the whole path.
///
/// `None` when it is not a module that is written out as an attribute set, or sets nothing there.
pub(crate) fn blanked(text: &str, place: (u32, u32)) -> Option<(String, String)> {
    let has = |binding: &Binding| {
        let (start, end) = (position(text, binding.range.start), position(text, binding.range.end));
        start <= place && place < end
    };
    let mut bindings = NixFile::parse(text).module()?.bindings;
    let mut path = Vec::new();
    loop {
        let binding = bindings.into_iter().find(has)?;
        path.extend(names(&binding));
        match binding.value.shape {
            Shape::Set {
                recursive,
                bindings: inner,
            } if !recursive && inner.iter().any(has) => bindings = inner,
            _ => {
                let was = &text[binding.range.clone()];
                let spaces: String = was.chars().map(|char| if char == '\n' { char } else { ' ' }).collect();
                let rest = [&text[..binding.range.start], &spaces, &text[binding.range.end..]].concat();
                return Some((rest, format!("{}: {was}", path.join("."))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_at_a_place_is_blanked_and_all_else_keeps_its_place() {
        let text = "{ pkgs, ... }:\n{\n  users.users.bob = {\n    isNormalUser =\n      nope;\n    uid = 1;\n  };\n  x = rec { y = z; };\n}\n";
        let (rest, was) = blanked(text, (5, 7)).unwrap();
        assert_eq!(
            rest,
            "{ pkgs, ... }:\n{\n  users.users.bob = {\n                  \n           \n    uid = 1;\n  };\n  x = rec { y = z; };\n}\n"
        );
        assert_eq!(was, "users.users.bob.isNormalUser: isNormalUser =\n      nope;");
        // Others in a recursive set can depend on it.
        assert_eq!(blanked(text, (8, 17)).unwrap().1, "x: x = rec { y = z; };");
        assert_eq!(blanked(text, (2, 1)), None);
        assert_eq!(blanked("let x = nope; in { a = x; }", (1, 9)), None);
        assert_eq!(blanked("import ./x.nix", (1, 3)), None);
    }

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
