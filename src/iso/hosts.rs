//! The hosts of a flake, as far as its text tells them: Nix would have to fetch all inputs to say it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::diagnostic::Diagnostic;
use crate::tree::flake_hosts::{HOST_DIRECTORIES, NIXOS_CONFIGURATIONS, named_hosts};
use crate::tree::nix_files::nix_files;
use crate::tree::source::FLAKE_NIX;

/// The hosts to put on the ISO: `wanted`, or the only one that the flake names.
///
/// # Errors
/// A [`Diagnostic`] when nothing is wanted and the flake does not name exactly one.
pub fn choose(tree: &Path, wanted: &[String]) -> Result<Vec<String>> {
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let text = fs::read_to_string(tree.join(FLAKE_NIX)).with_context(|| format!("Failed to read {FLAKE_NIX}"))?;
    let found: Vec<String> = named_hosts(&text).into_iter().map(|host| host.name).collect();
    if let [_] = found.as_slice() {
        return Ok(found);
    }
    if !found.is_empty() {
        return Err(unclear(format!("The flake has several hosts: {}", found.join(", "))).into());
    }
    let problem = unclear("The text of flake.nix names no host".to_owned());
    let inner = flakes_inside(tree);
    let elsewhere = nix_files(tree).any(|(path, text)| {
        text.contains(NIXOS_CONFIGURATIONS) && !inner.iter().any(|folder| path.starts_with(folder))
    });
    if !elsewhere && !inner.is_empty() {
        return Err(problem
            .because(format!(
                "It has no {NIXOS_CONFIGURATIONS}. Flakes that have them: {}.",
                inner.join(", ")
            ))
            .remedy("Pass the folder of the one that you mean with --config.")
            .into());
    }
    Err(match candidates(tree).as_slice() {
        [] => problem,
        some => problem.because(format!(
            "The ISO must know which host it installs. The folders of the tree suggest: {}.",
            some.join(", ")
        )),
    }
    .into())
}

fn unclear(what: String) -> Diagnostic {
    Diagnostic::error("host-unclear", what)
        .because("The ISO must know which of its nixosConfigurations it installs.")
        .remedy("Name it with --host NAME, several times for several hosts. `nix flake show` lists them.")
}

/// The folders one level down with a flake that has hosts, sorted.
fn flakes_inside(tree: &Path) -> Vec<String> {
    let has_hosts = |name: &String| {
        let flake = fs::read_to_string(tree.join(name).join(FLAKE_NIX)).unwrap_or_default();
        flake.contains(NIXOS_CONFIGURATIONS)
    };
    names(tree).into_iter().filter(has_hosts).collect()
}

/// What is in these folders, as names of hosts, sorted.
fn candidates(tree: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in HOST_DIRECTORIES.map(|folder| tree.join(folder)) {
        found.extend(names(&folder).into_iter().flat_map(|name| {
            let inner = folder.join(&name);
            match name.strip_suffix(".nix") {
                // By kind: hosts/nixos/NAME.
                None if inner.is_dir() && is_only_folders(&inner) => names(&inner),
                None if inner.is_dir() => vec![name],
                Some(file) if file != "default" => vec![file.to_owned()],
                _ => Vec::new(),
            }
        }));
    }
    found
}

/// Whether a folder has folders and nothing else, beside a text to read.
fn is_only_folders(folder: &Path) -> bool {
    let all = names(folder);
    all.iter().all(|name| folder.join(name).is_dir() || name == "README.md") && !all.is_empty()
}

/// The names in a folder, sorted; none where there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_exactly_one_name_it_must_be_said() {
        let tree = tempfile::tempdir().unwrap();
        let flake = |text: &str| fs::write(tree.path().join(FLAKE_NIX), text).unwrap();
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
        let told = || choose(tree.path(), &[]).unwrap_err().to_string();
        assert!(
            told().contains("suggest: a, b, c.") && told().contains("--host NAME"),
            "{}",
            told()
        );
        put("flake.nix", "{ outputs = i: { templates = { }; }; }");
        put("small/flake.nix", "{ outputs = i: { nixosConfigurations.x = 1; }; }");
        put("other/flake.nix", "{ outputs = i: { packages = 1; }; }");
        assert!(
            told().contains("that have them: small.") && told().contains("--config"),
            "{}",
            told()
        );
    }
}
