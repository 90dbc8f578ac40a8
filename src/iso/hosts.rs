//! The hosts of a flake, as far as its text shows them: Nix would have to fetch all inputs to list them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::diagnostic::{Diagnostic, IsoHostProblem};
use crate::files::names;
use crate::text::similar;
use crate::tree::flake_hosts::{HOST_DIRECTORIES, NIXOS_CONFIGURATIONS, named_hosts};
use crate::tree::nix_files::nix_files;
use crate::tree::source::FLAKE_NIX;
use crate::tree::syntax::{Name, NixFile, Shape, TokenKind};

/// The hosts to put on the ISO: `wanted`, or the only one that flake.nix names. Adds to `problems` those of `wanted` that the
/// flake does not have, or may not have; or that nothing is wanted and flake.nix does not name exactly one.
pub fn choose(tree: &Path, wanted: &[String], problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let text = fs::read_to_string(tree.join(FLAKE_NIX)).unwrap_or_default();
    let flake = named(&text);
    if !wanted.is_empty() {
        // A name that is given twice means the same as once.
        let mut known = BTreeSet::new();
        let hosts: Vec<String> = wanted.iter().filter(|host| known.insert(*host)).cloned().collect();
        problems.extend(
            hosts
                .iter()
                .filter_map(|host| doubt(tree, &text, &flake, host))
                .map(Diagnostic::from),
        );
        return hosts;
    }
    if let [_] = flake.as_slice() {
        return flake;
    }
    problems.push(undecided(tree, flake).into());
    Vec::new()
}

/// The hosts that a person may mean where flake.nix does not name exactly one. `None` if it does, or if it has no hosts.
pub fn candidates(tree: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(tree.join(FLAKE_NIX)).unwrap_or_default();
    let flake = named(&text);
    if flake.len() == 1 {
        return None;
    }
    match undecided(tree, flake) {
        IsoHostProblem::Several { hosts } => Some(hosts),
        IsoHostProblem::None { candidates } => Some(candidates),
        _ => None,
    }
}

/// Why `host` may not be one of the flake's.
fn doubt(tree: &Path, text: &str, flake: &[String], host: &str) -> Option<IsoHostProblem> {
    let is_it = |known: &String| known == host;
    if flake.iter().any(is_it) {
        return None;
    }
    let name = host.to_owned();
    let similar = |hosts: &[String]| similar(host, hosts.iter().map(String::as_str)).map(str::to_owned);
    let others: Vec<Vec<String>> = nix_files(tree)
        .filter(|(path, text)| path != Path::new(FLAKE_NIX) && text.contains(NIXOS_CONFIGURATIONS))
        .map(|(_, text)| named(&text))
        .collect();
    if names_all(text) && others.is_empty() && !flake.is_empty() {
        let hosts = flake.to_vec();
        let similar = similar(&hosts);
        return Some(IsoHostProblem::Unknown { name, hosts, similar });
    }
    let mut candidates = flake.to_vec();
    candidates.extend(others.into_iter().flatten());
    candidates.extend(suggested(tree));
    candidates.sort();
    candidates.dedup();
    if candidates.iter().any(is_it) {
        return None;
    }
    let similar = similar(&candidates);
    Some(IsoHostProblem::Unverified {
        name,
        candidates,
        similar,
    })
}

/// Why the host is not clear where none is wanted, and flake.nix names `hosts`.
fn undecided(tree: &Path, hosts: Vec<String>) -> IsoHostProblem {
    if !hosts.is_empty() {
        return IsoHostProblem::Several { hosts };
    }
    let directories = flakes_inside(tree);
    let in_modules = nix_files(tree).any(|(path, text)| {
        text.contains(NIXOS_CONFIGURATIONS) && !directories.iter().any(|inner| path.starts_with(inner))
    });
    if !in_modules && !directories.is_empty() {
        return IsoHostProblem::OtherFlakes { directories };
    }
    IsoHostProblem::None {
        candidates: suggested(tree),
    }
}

/// The directories one level down with a flake that has hosts, sorted.
fn flakes_inside(tree: &Path) -> Vec<String> {
    let has_hosts = |name: &String| {
        let flake = fs::read_to_string(tree.join(name).join(FLAKE_NIX)).unwrap_or_default();
        flake.contains(NIXOS_CONFIGURATIONS)
    };
    names(tree).into_iter().filter(has_hosts).collect()
}

/// The names in these directories that can be names of hosts.
fn suggested(tree: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for directory in HOST_DIRECTORIES.map(|directory| tree.join(directory)) {
        found.extend(names(&directory).into_iter().flat_map(|name| {
            let inner = directory.join(&name);
            match name.strip_suffix(".nix") {
                // By kind: hosts/nixos/NAME.
                None if inner.is_dir() && has_only_directories(&inner) => names(&inner),
                None if inner.is_dir() => vec![name],
                Some(file) if file != "default" => vec![file.to_owned()],
                _ => Vec::new(),
            }
        }));
    }
    found
}

/// Whether a directory contains directories only, and perhaps a README.md.
fn has_only_directories(directory: &Path) -> bool {
    let all = names(directory);
    all.iter()
        .all(|name| directory.join(name).is_dir() || name == "README.md")
        && !all.is_empty()
}

/// The names of [`named_hosts`], sorted.
fn named(text: &str) -> Vec<String> {
    named_hosts(text).into_iter().map(|host| host.name).collect()
}

/// Whether the file defines its hosts by literal names only, so that it has no others than the [`named`] ones. A function that gets
/// them, such as mkFlake of flake-parts with its `flake.nixosConfigurations`, can add more.
fn names_all(text: &str) -> bool {
    let file = NixFile::parse(text);
    let arguments: Vec<_> = file.arguments().collect();
    let bindings = file.all_bindings().filter_map(|binding| {
        let names: Vec<Option<&str>> = binding.path.iter().map(Name::literal).collect();
        let at = names.iter().position(|name| *name == Some(NIXOS_CONFIGURATIONS))?;
        let is_literal = match (names.get(at + 1), &binding.value.shape) {
            (Some(name), _) => name.is_some(),
            (None, Shape::Set { bindings, .. }) => {
                let mut inner = bindings.iter().filter_map(|inner| inner.path.first());
                inner.all(|name| name.literal().is_some())
            }
            _ => false,
        };
        let is_final = at == 0 && !arguments.iter().any(|range| range.contains(&binding.range.start));
        Some((binding.range.start..binding.value.range.start, is_literal && is_final))
    });
    let bindings: Vec<_> = bindings.collect();
    // What is not the path of a binding must be a use (`self.nixosConfigurations`), and not an `inherit`, say.
    let tokens: Vec<_> = file.tokens().filter(|token| token.kind != TokenKind::Blank).collect();
    let all_known = tokens.iter().enumerate().all(|(index, token)| {
        token.text != NIXOS_CONFIGURATIONS
            || bindings.iter().any(|(path, _)| path.contains(&token.offset))
            || index > 0 && tokens[index - 1].text == "."
    });
    all_known && bindings.iter().all(|(_, is_certain)| *is_certain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_all_of_its_hosts_unless_it_computes_or_inherits_some() {
        assert!(names_all(
            "{ outputs = { self }: { nixosConfigurations.a = 1; x = self.nixosConfigurations.b; }; }"
        ));
        assert!(names_all(
            "# nixosConfigurations\n{ nixosConfigurations = { a = f { x = 1; }; inherit (x) b; }; }"
        ));
        for text in [
            "i: { nixosConfigurations = mapAttrs f hosts; }",
            "i: { nixosConfigurations.${x} = 1; nixosConfigurations.a = 1; }",
            "i: { nixosConfigurations = { a = 1; } // more; }",
            "i: { nixosConfigurations.a = 1; inherit (more) nixosConfigurations; }",
            "{ flake.nixosConfigurations = { a = 1; inherit (x) b; }; }",
            "i: mkFlake i { flake = { nixosConfigurations.a = 1; }; }",
            "i: recursiveUpdate (f { nixosConfigurations.a = 1; }) more",
        ] {
            assert!(!names_all(text), "{text}");
        }
    }

    /// The hosts that are chosen, and the problems.
    fn chosen(tree: &Path, wanted: &[&str]) -> (Vec<String>, String) {
        let wanted: Vec<String> = wanted.iter().map(|&host| host.to_owned()).collect();
        let mut problems = Vec::new();
        let hosts = choose(tree, &wanted, &mut problems);
        let problems: Vec<String> = problems
            .iter()
            .map(|one| format!("{:?}: {one}", one.severity))
            .collect();
        (hosts, problems.join("\n"))
    }

    #[test]
    fn without_exactly_one_name_it_must_be_named() {
        let tree = tempfile::tempdir().unwrap();
        let flake = |text: &str| fs::write(tree.path().join(FLAKE_NIX), text).unwrap();
        flake("{ outputs = i: { nixosConfigurations.only = 1; }; }");
        assert_eq!(chosen(tree.path(), &[]), (vec!["only".to_owned()], String::new()));
        flake("{ outputs = i: { nixosConfigurations = { a = 1; b = 2; }; }; }");
        let (hosts, problems) = chosen(tree.path(), &[]);
        assert!(
            hosts.is_empty() && problems.starts_with("Error: The flake has several hosts: a, b"),
            "{problems}"
        );
        assert!(problems.contains("--host"), "{problems}");
        for wanted in [["b"].as_slice(), &["b", "b"]] {
            assert_eq!(chosen(tree.path(), wanted), (vec!["b".to_owned()], String::new()));
        }
    }

    #[test]
    fn a_misspelt_host_is_an_error_where_all_hosts_are_known_and_a_warning_where_they_are_computed() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let problem = |host: &str| chosen(tree.path(), &[host]).1;
        put(
            "flake.nix",
            "{ outputs = { self, ... }: { nixosConfigurations = { laptop = 1; desktop = 2; };\n\
             packages.x = self.nixosConfigurations.laptop; }; }",
        );
        let typo = problem("latop");
        assert!(
            typo.starts_with("Error: The flake has no host `latop`; did you mean `laptop`?"),
            "{typo}"
        );
        assert!(typo.contains("It has: desktop, laptop."), "{typo}");
        assert!(
            problem("server").contains("no host `server`\n"),
            "{}",
            problem("server")
        );
        assert_eq!(problem("laptop"), "");
        put(
            "flake.nix",
            "{ outputs = i: { nixosConfigurations = f (readDir ./hosts); }; }",
        );
        put("hosts/laptop/default.nix", "{ }");
        let typo = problem("latop");
        assert!(
            typo.starts_with("Warning: It is not certain") && typo.contains("mean `laptop`"),
            "{typo}"
        );
        assert_eq!(problem("laptop"), "");
        put("flake.nix", "{ outputs = i: mkFlake { imports = [ ./parts ]; }; }");
        put("parts/default.nix", "{ flake.nixosConfigurations.server = 1; }");
        assert_eq!(problem("server"), "");
        assert!(problem("other").contains("laptop, server."), "{}", problem("other"));
        // Another file may add hosts.
        put(
            "flake.nix",
            "{ outputs = i: { nixosConfigurations.a = 1; } // import ./parts; }",
        );
        assert!(problem("b").starts_with("Warning"), "{}", problem("b"));
    }

    #[test]
    fn a_host_that_a_module_may_make_is_accepted_and_a_misspelt_one_a_warning() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("hosts/laptop")).unwrap();
        let imported = "imports = [ i.easy-hosts.flakeModule ]; flake.nixosConfigurations.server = 1;";
        let flake = format!("{{ outputs = i: mkFlake i {{ {imported} }}; }}");
        fs::write(tree.path().join(FLAKE_NIX), flake).unwrap();
        for host in ["server", "laptop"] {
            assert_eq!(chosen(tree.path(), &[host]).1, "");
        }
        let typo = chosen(tree.path(), &["latop"]).1;
        assert!(
            typo.starts_with("Warning: It is not certain") && typo.contains("mean `laptop`"),
            "{typo}"
        );
    }

    #[test]
    fn where_the_text_names_no_host_the_tree_suggests_some() {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "flake.nix",
            "{ outputs = i: { nixosConfigurations = f (readDir ./hosts); }; }",
        );
        put("hosts/b/default.nix", "{ }");
        put("hosts/a.nix", "{ }");
        put("hosts/default.nix", "{ }");
        put("hosts/README.md", "");
        put("hosts/nixos/c/default.nix", "{ }");
        let reported = || chosen(tree.path(), &[]).1;
        assert!(
            reported().contains("suggest: a, b, c.") && reported().contains("--host NAME"),
            "{}",
            reported()
        );
        put("flake.nix", "{ outputs = i: { templates = { }; }; }");
        put("small/flake.nix", "{ outputs = i: { nixosConfigurations.x = 1; }; }");
        put("other/flake.nix", "{ outputs = i: { packages = 1; }; }");
        assert!(
            reported().contains("that have them: small.") && reported().contains("--config"),
            "{}",
            reported()
        );
    }
}
