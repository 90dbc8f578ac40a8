//! Private keys in a configuration: refused unless a person allowed them, file by file.

use std::fs;
use std::path::Path;

use super::copied::{Digests, hash, name};
use crate::diagnostic::{Diagnostic, IsoSecretProblem};
use crate::text::one_line;
use crate::tree::lint::{self, FoundKey};
use crate::tree::source::ConfigKind;

/// Which private keys may be on an ISO.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allowed<'a> {
    /// Whatever there is: `--allow-secrets`.
    All,
    /// Those in these files, as long as they have these digests.
    In(&'a Digests),
}

/// The private keys of a configuration.
pub(super) struct Keys {
    /// One error of all that are neither allowed nor doubtful, and a warning of each doubtful one.
    pub problems: Vec<Diagnostic>,
    /// The files with keys that are allowed, by their digests, for the record.
    pub allowed: Digests,
    /// A sentence that names them, if there are any.
    pub note: Option<String>,
}

impl<'a> Allowed<'a> {
    /// What `--allow-secrets`, if it was given, and the record of the `known` files allow.
    pub fn with(allow_secrets: bool, known: &'a Digests) -> Self {
        if allow_secrets { Self::All } else { Self::In(known) }
    }

    fn has(self, path: &str, digest: &str) -> bool {
        match self {
            Self::All => true,
            Self::In(known) => known.get(path).is_some_and(|known| known == digest),
        }
    }
}

/// Looks for private keys in the tree at `root`. `allow`: the command or the option that allows them.
pub(super) fn look(root: &Path, kind: ConfigKind, allowed: Allowed<'_>, allow: &str) -> Keys {
    let (certain, doubtful): (Vec<FoundKey>, Vec<FoundKey>) = lint::private_keys(root).partition(|found| found.certain);
    let mut keys = Keys {
        problems: doubtful.into_iter().map(|found| found.warning(kind)).collect(),
        allowed: Digests::new(),
        note: None,
    };
    let (mut named, mut refused) = (Vec::new(), Vec::new());
    for FoundKey { path, line, key, .. } in certain {
        let place = format!("{}:{line}", one_line(&path.to_string_lossy()));
        let name = name(&path);
        let digest = hash(&fs::read(root.join(&path)).unwrap_or_default());
        if allowed.has(&name, &digest) {
            named.push(format!("{place} ({})", key.name()));
            keys.allowed.insert(name, digest);
        } else {
            refused.push((place, key));
        }
    }
    if !refused.is_empty() {
        let (found, allow) = (refused, allow.to_owned());
        keys.problems
            .push(IsoSecretProblem::PrivateKeys { found, allow }.into());
    }
    if !named.is_empty() {
        keys.note = Some(format!(
            "Private keys are copied, as --allow-secrets allows: {}.",
            named.join(", ")
        ));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_private_keys_are_refused_at_once_and_only_what_was_allowed_is_accepted_and_named() {
        let tree = tempfile::tempdir().unwrap();
        let key =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz\n";
        fs::create_dir(tree.path().join("tests")).unwrap();
        for name in ["a_key", "b_key", "tests/c_key"] {
            fs::write(tree.path().join(name), key).unwrap();
        }
        let first = Digests::from([("a_key".to_owned(), hash(key.as_bytes()))]);
        let look = |allowed| look(tree.path(), ConfigKind::Flake, allowed, "--allow-secrets");
        let said = |keys: &Keys| {
            let problems = keys.problems.iter();
            problems.map(|problem| format!("{problem:?}")).collect::<Vec<_>>()
        };
        let none = Digests::new();
        let all = look(Allowed::In(&none));
        assert_eq!((&all.allowed, &all.note), (&none, &None));
        let all = said(&all);
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
        let one = look(Allowed::In(&first));
        assert!(
            one.problems[1].what.contains("contains a private SSH key") && !said(&one)[1].contains("a_key"),
            "{:?}",
            one.problems
        );
        assert!(one.note.unwrap().ends_with("allows: a_key:1 (a private SSH key)."));
        let allowed = look(Allowed::All);
        assert_eq!(allowed.problems.len(), 1);
        assert_eq!(allowed.allowed.into_keys().collect::<Vec<_>>(), ["a_key", "b_key"]);
        assert!(allowed.note.unwrap().contains("a_key:1 (a private SSH key), b_key:1"));
        // Another key in the same file is not what was allowed.
        fs::write(tree.path().join("a_key"), format!("{key}AAAA")).unwrap();
        assert!(said(&look(Allowed::In(&first)))[1].contains("2 private keys"));
    }
}
