//! Whether a text is a flake reference that Nix can fetch, as far as that can be seen without Nix.

use std::path::Path;

use crate::diagnostic::ReferenceFault;
use crate::text::similar;

/// The schemes of Nix 2.34 (src/libfetchers, `nix flake --help`), and `nix-channel`'s plain URLs.
const SCHEMES: [&str; 23] = [
    "file",
    "file+file",
    "file+http",
    "file+https",
    "flake",
    "git",
    "git+file",
    "git+http",
    "git+https",
    "git+ssh",
    "github",
    "gitlab",
    "hg+file",
    "hg+http",
    "hg+https",
    "hg+ssh",
    "http",
    "https",
    "path",
    "sourcehut",
    "tarball+file",
    "tarball+http",
    "tarball+https",
];

/// The directory that `reference` names (`DIR`, `path:DIR#iso`), where it is one here: what is before the attribute.
#[must_use]
pub(super) fn local_directory(reference: &str) -> &Path {
    let directory = reference.split('#').next().unwrap_or_default();
    Path::new(directory.strip_prefix("path:").unwrap_or(directory))
}

/// What is wrong with `reference`. A path that begins with a dot is relative to `base`, where there is one.
pub(super) fn fault(reference: &str, base: Option<&Path>) -> Option<ReferenceFault> {
    if reference.is_empty() {
        return Some(ReferenceFault::Empty);
    }
    if reference.starts_with('<') {
        return Some(ReferenceFault::LookupPath);
    }
    if reference.starts_with(['/', '.', '~']) {
        return path_fault(reference, base);
    }
    let Some((scheme, rest)) = reference.split_once(':') else {
        return registry_fault(reference);
    };
    if !SCHEMES.contains(&scheme) {
        return Some(ReferenceFault::Scheme {
            scheme: scheme.to_owned(),
            similar: similar(scheme, SCHEMES),
        });
    }
    if reference.contains(|char: char| char.is_whitespace() || char.is_control() || "<>\"\\^`{|}".contains(char)) {
        return Some(ReferenceFault::Syntax);
    }
    match scheme {
        "path" | "git+file" => path_fault(rest.strip_prefix("//").unwrap_or(rest), base),
        "github" | "gitlab" | "sourcehut" => {
            let parts = rest.split('?').next().unwrap_or_default().split('/');
            let parts = parts.filter(|part| !part.is_empty()).count();
            (parts < 2).then_some(ReferenceFault::Repository)
        }
        "flake" => registry_fault(rest),
        _ => rest
            .trim_start_matches('/')
            .is_empty()
            .then_some(ReferenceFault::Syntax),
    }
}

/// Of the path in a reference, which may have a query (`?rev=…`).
fn path_fault(path: &str, base: Option<&Path>) -> Option<ReferenceFault> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // Nix decodes it; whether it exists is not certain then.
    if path.contains('%') {
        return None;
    }
    let full = match base {
        Some(base) if path.starts_with('.') => base.join(path),
        _ if path.starts_with('/') => path.into(),
        _ => return Some(ReferenceFault::Relative),
    };
    if full.is_dir() {
        None
    } else if full.exists() {
        Some(ReferenceFault::NotADirectory)
    } else {
        Some(ReferenceFault::Missing)
    }
}

/// Of a name in the registry of flakes: `nixpkgs`, `nixpkgs/nixos-26.05`.
fn registry_fault(reference: &str) -> Option<ReferenceFault> {
    let (name, rest) = reference.split_once('/').unwrap_or((reference, "main"));
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "-_".contains(char));
    let is_rest = !rest.is_empty()
        && rest
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "-_./+".contains(char));
    (!is_name || !is_rest).then_some(ReferenceFault::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nix_can_fetch_has_no_fault() {
        for reference in [
            "nixpkgs",
            "nixpkgs/nixos-26.05",
            "flake:nixpkgs",
            "github:NixOS/nixpkgs/nixos-26.05",
            "github:NixOS/nixpkgs?ref=nixos-26.05",
            "gitlab:group%2Fsubgroup/repository",
            "git+ssh://git@git.example/repository?ref=main",
            "git+https://git.example/repository.git",
            "https://git.example/archive/main.tar.gz",
            "tarball+https://git.example/archive",
            "file:///srv/channel.tar.gz",
            "path:/tmp",
            "path:/tmp?narHash=sha256-x",
            "/tmp",
            "path:/a%20directory",
        ] {
            assert_eq!(fault(reference, None), None, "{reference}");
        }
        assert_eq!(fault("path:./nix", Some(Path::new(env!("CARGO_MANIFEST_DIR")))), None);
    }

    #[test]
    fn each_fault_is_named() {
        let scheme = |scheme: &str, similar| ReferenceFault::Scheme {
            scheme: scheme.to_owned(),
            similar,
        };
        for (reference, expected) in [
            ("", ReferenceFault::Empty),
            ("<nixpkgs>", ReferenceFault::LookupPath),
            ("./home-manager", ReferenceFault::Relative),
            ("../home-manager", ReferenceFault::Relative),
            ("~/home-manager", ReferenceFault::Relative),
            ("path:home-manager", ReferenceFault::Relative),
            ("path:/etc/passwd", ReferenceFault::NotADirectory),
            ("/etc/passwd", ReferenceFault::NotADirectory),
            ("/nonexistent", ReferenceFault::Missing),
            ("git+file:///nonexistent?ref=main", ReferenceFault::Missing),
            ("githup:NixOS/nixpkgs", scheme("githup", Some("github"))),
            ("svn+ssh://git.example/x", scheme("svn+ssh", None)),
            ("git@git.example:owner/repository", scheme("git@git.example", None)),
            ("github:NixOS", ReferenceFault::Repository),
            ("https://", ReferenceFault::Syntax),
            ("https://git.example/a b", ReferenceFault::Syntax),
            ("a channel", ReferenceFault::Syntax),
            ("nixpkgs/", ReferenceFault::Syntax),
        ] {
            assert_eq!(fault(reference, None), Some(expected), "{reference}");
        }
    }
}
