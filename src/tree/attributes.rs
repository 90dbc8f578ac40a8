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
