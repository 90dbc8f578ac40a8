//! Which packages two systems have, by the names of their store paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::store_path::store_name;

/// The versions of each package.
type Packages = BTreeMap<String, BTreeSet<String>>;

/// What changes from the closure `old` to `new`, a line for each package that has other versions then: `linux: 6.6.31 → 6.6.32`.
#[must_use]
pub fn changes(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (packages(old), packages(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |versions: Option<&BTreeSet<String>>| {
        let versions = versions.map(|all| all.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        versions.unwrap_or_else(|| "none".to_owned())
    };
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed
        .map(|name| format!("{name}: {} → {}", shown(old.get(name)), shown(new.get(name))))
        .collect()
}

/// The packages of store paths, a line each. Those without a version are parts of the system itself, such as units.
fn packages(closure: &str) -> Packages {
    let mut packages = Packages::new();
    for (name, version) in closure.lines().filter_map(|path| split(&store_name(path))) {
        packages.entry(name).or_default().insert(version);
    }
    packages
}

/// The name and the version: that begins after the first hyphen that no letter follows (Nix, src/libstore/names.cc). Outputs of a
/// package count as that.
fn split(name: &str) -> Option<(String, String)> {
    let version = name.match_indices('-').find(|(at, _)| {
        let next = name[at + 1..].chars().next();
        next.is_some_and(|next| !next.is_alphabetic())
    });
    let (name, version) = (&name[..version?.0], &name[version?.0 + 1..]);
    let output = [
        "-bin", "-lib", "-dev", "-out", "-man", "-doc", "-info", "-data", "-modules",
    ];
    let version = output
        .iter()
        .find_map(|output| version.strip_suffix(output))
        .unwrap_or(version);
    Some((name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_compared_by_name_and_version() {
        let path = |name: &str| format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}");
        let closure = |names: &[&str]| names.iter().map(|name| path(name)).collect::<Vec<_>>().join("\n");
        let old = closure(&[
            "linux-6.6.31",
            "linux-6.6.31-modules",
            "glibc-2.39-52",
            "unit-sshd.service",
            "gone-1.0",
            "lib3-x-1",
        ]);
        let new = closure(&[
            "linux-6.6.32",
            "linux-6.6.32-modules",
            "glibc-2.39-52",
            "unit-sshd.service",
            "cowsay-3.8",
            "lib3-x-1",
        ]);
        assert_eq!(
            changes(&old, &new),
            ["cowsay: none → 3.8", "gone: 1.0 → none", "linux: 6.6.31 → 6.6.32"]
        );
        assert_eq!(
            split("nss-cacert-3.98"),
            Some(("nss-cacert".to_owned(), "3.98".to_owned()))
        );
        assert_eq!(split("etc"), None);
    }
}
