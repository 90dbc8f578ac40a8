//! Private keys in a configuration: refused unless a person allowed them, file by file.

use std::path::Path;

use crate::diagnostic::{Diagnostic, IsoSecretProblem};
use crate::tree::lint::{self, FoundKey};
use crate::tree::source::ConfigKind;

/// Which private keys may be on an ISO.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allowed<'a> {
    /// Whatever there is: `--allow-secrets`.
    All,
    /// Those in these files.
    In(&'a [String]),
}

impl<'a> Allowed<'a> {
    /// What `--allow-secrets`, if it was given, and the record of the `known` files allow.
    pub fn with(allow_secrets: bool, known: &'a [String]) -> Self {
        if allow_secrets { Self::All } else { Self::In(known) }
    }

    /// The files that are allowed from now on, for the record: with `--allow-secrets` those with keys in the tree at `root`.
    pub fn files(self, root: &Path) -> Vec<String> {
        match self {
            Self::In(known) => known.to_vec(),
            Self::All => {
                let certain = lint::private_keys(root).filter(|found| found.certain);
                certain.map(|found| found.path.display().to_string()).collect()
            }
        }
    }
}

/// What is to be said of the private keys in the tree at `root`: one error of all that are neither `allowed` nor doubtful, and a
/// warning of each doubtful one. `allow`: the command or the option that allows them.
pub(super) fn problems(root: &Path, kind: ConfigKind, allowed: Allowed<'_>, allow: &str) -> Vec<Diagnostic> {
    let (certain, doubtful): (Vec<FoundKey>, Vec<FoundKey>) = lint::private_keys(root).partition(|found| found.certain);
    let mut problems: Vec<Diagnostic> = doubtful.into_iter().map(|found| found.warning(kind)).collect();
    let refused = certain.into_iter().filter(|found| match allowed {
        Allowed::All => false,
        Allowed::In(files) => !files.contains(&found.path.display().to_string()),
    });
    let found: Vec<_> = refused
        .map(|found| (format!("{}:{}", found.path.display(), found.line), found.key))
        .collect();
    if !found.is_empty() {
        let allow = allow.to_owned();
        problems.push(IsoSecretProblem::PrivateKeys { found, allow }.into());
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_private_keys_are_refused_at_once_and_only_what_was_allowed_is_accepted() {
        let tree = tempfile::tempdir().unwrap();
        let key =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz\n";
        fs::create_dir(tree.path().join("tests")).unwrap();
        for name in ["a_key", "b_key", "tests/c_key"] {
            fs::write(tree.path().join(name), key).unwrap();
        }
        let first = ["a_key".to_owned()];
        let said = |allowed| {
            let problems = super::problems(tree.path(), ConfigKind::Flake, allowed, "--allow-secrets");
            problems
                .iter()
                .map(|problem| format!("{problem:?}"))
                .collect::<Vec<_>>()
        };
        let all = said(Allowed::In(&[]));
        let [example, refused] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert!(
            example.starts_with("Warning") && example.contains("tests/c_key:1"),
            "{example}"
        );
        for words in [
            "Error",
            "2 private keys",
            "a_key:1 (a private SSH key)",
            "b_key:1",
            "--allow-secrets",
        ] {
            assert!(refused.contains(words), "{words} is not in\n{refused}");
        }
        let one = said(Allowed::In(&first));
        assert!(
            one[1].contains("contains a private SSH key") && !one[1].contains("a_key"),
            "{one:?}"
        );
        assert_eq!(said(Allowed::All).len(), 1);
        assert_eq!(Allowed::All.files(tree.path()), ["a_key", "b_key"]);
    }
}
