//! The hosts of a flake, as far as its text names them: to list them for certain, Nix would need all inputs.

use std::path::PathBuf;

use super::syntax::{Binding, NixFile, Shape, TokenKind};

/// The output of a flake that has its hosts.
pub const NIXOS_CONFIGURATIONS: &str = "nixosConfigurations";

/// Where people keep one directory, or one file, for each host.
pub const HOST_DIRECTORIES: [&str; 4] = ["hosts", "machines", "systems", "nixos/hosts"];

/// A host that the text of flake.nix names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedHost {
    pub name: String,
    /// The relative paths in its value, as they are written.
    pub paths: Vec<PathBuf>,
}

/// The hosts in the text: `nixosConfigurations.NAME = …` or `nixosConfigurations = { NAME = …; }`, sorted by name. Computed
/// names are not seen.
pub fn named_hosts(text: &str) -> Vec<NamedHost> {
    let file = NixFile::parse(text);
    let mut found: Vec<NamedHost> = Vec::new();
    for binding in file.all_bindings() {
        let names: Vec<Option<&str>> = binding.path.iter().map(|name| name.literal()).collect();
        let Some(at) = names.iter().position(|name| *name == Some(NIXOS_CONFIGURATIONS)) else {
            continue;
        };
        match (names.get(at + 1), &binding.value.shape) {
            (Some(name), _) => found.extend(name.map(|name| host(name, &binding, &file))),
            (None, Shape::Set { bindings, .. }) => found.extend(bindings.iter().filter_map(|inner| {
                let name = inner.path.first()?.literal()?;
                Some(host(name, inner, &file))
            })),
            _ => {}
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|later, first| {
        let is_same = later.name == first.name;
        if is_same {
            first.paths.append(&mut later.paths);
        }
        is_same
    });
    found
}

fn host(name: &str, binding: &Binding, file: &NixFile<'_>) -> NamedHost {
    let inside = |offset: &usize| binding.value.range.contains(offset);
    let paths = file
        .tokens()
        .filter(|token| token.kind == TokenKind::Path && token.text.starts_with('.') && inside(&token.offset));
    NamedHost {
        name: name.to_owned(),
        paths: paths.map(|token| token.text.into()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        named_hosts(text).into_iter().map(|host| host.name).collect()
    }

    #[test]
    fn names_are_found_in_both_spellings_and_computed_ones_are_not_guessed() {
        let both = "{ outputs = i: { nixosConfigurations.\"b\" = 1; nixosConfigurations.a.x = 2; }; }";
        assert_eq!(names(both), ["a", "b"]);
        assert_eq!(
            names("{ outputs = i: { nixosConfigurations = { one = 1; \"two\" = 2; }; }; }"),
            ["one", "two"]
        );
        assert!(names("i: { nixosConfigurations = mapAttrs f hosts; nixosConfigurations.${x} = 1; }").is_empty());
    }

    #[test]
    fn each_host_has_the_paths_of_its_own_value() {
        let text = "{ outputs = i: let c = [ ./common ]; in { nixosConfigurations = { a = f { modules = [ ./a ../b.nix ] ++ c; }; b = 1; }; }; }";
        let paths: Vec<Vec<PathBuf>> = named_hosts(text).into_iter().map(|host| host.paths).collect();
        assert_eq!(paths, [vec![PathBuf::from("./a"), "../b.nix".into()], vec![]]);
    }
}
