//! What an earlier ISO of a configuration has in its store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::remaster;
use crate::diagnostic::DeltaProblem;
use crate::live::installation_medium::STORE_IMAGE;
use crate::process::{Invocation, Runner};
use crate::store::database;
use crate::store_path::store_name;

/// Its store paths, with what they refer to.
pub(super) struct EarlierIso(BTreeMap<String, Vec<String>>);

impl EarlierIso {
    /// Reads the registration in the store of the ISO in `file`. `programs`: the directory of xorriso and unsquashfs.
    ///
    /// # Errors
    /// [`DeltaProblem::NotOurs`] when there is none.
    pub fn read(runner: &Runner, programs: &Path, file: &Path) -> Result<Self> {
        let not_ours = |error: &anyhow::Error| DeltaProblem::NotOurs {
            file: file.to_owned(),
            error: format!("{error:#}"),
        };
        let at = remaster::position(runner, &programs.join("xorriso"), file, STORE_IMAGE)?;
        let at = at.ok_or_else(|| not_ours(&anyhow::anyhow!("It has no {STORE_IMAGE}.")))?;
        let call = Invocation::new(programs.join("unsquashfs"))
            .args(["-offset", &at.to_string(), "-cat"])
            .arg(file)
            .arg("nix-path-registration");
        let text = runner.output(&call.quiet()).map_err(|error| not_ours(&error))?;
        let records = database::parse_registration(&text)?.into_iter();
        Ok(Self(records.map(|record| (record.path, record.references)).collect()))
    }

    /// What the systems with this name refer to, all of them; `None` where there is no such system. `others` are the names of systems
    /// that can begin with it.
    pub fn system(&self, name: &str, others: &[&str]) -> Option<BTreeSet<String>> {
        let start = |name: &str| format!("nixos-system-{name}-");
        let is_longer = |other: &&&str| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        let longer: Vec<String> = others.iter().filter(is_longer).map(|other| start(other)).collect();
        let start = start(name);
        let labels = self.0.keys().filter_map(|path| {
            let name = store_name(path);
            let is_other = longer.iter().any(|other| name.starts_with(other));
            let label = name.strip_prefix(&start).filter(|_| !is_other)?;
            Some((path, label.starts_with(|first: char| first.is_ascii_digit())))
        });
        let (versions, own): (Vec<_>, Vec<_>) = labels.partition(|(_, is_version)| *is_version);
        // What does not begin with a version is a label or a tag of the system's own, or the rest of a name that is not known.
        let systems = if versions.is_empty() { own } else { versions };
        let closures = systems.into_iter().map(|(path, _)| self.closure(path));
        closures.reduce(|left, right| &left & &right)
    }

    fn closure(&self, root: &str) -> BTreeSet<String> {
        let (mut found, mut queue) = (BTreeSet::new(), vec![root]);
        while let Some(path) = queue.pop() {
            if found.insert(path.to_owned()) {
                queue.extend(self.0.get(path).into_iter().flatten().map(String::as_str));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_found_by_its_name_and_only_what_all_of_them_have_counts() {
        let path = |name: &str| format!("/nix/store/00000000000000000000000000000000-{name}");
        let record = |name: &str, references: &[&str]| (path(name), references.iter().map(|name| path(name)).collect());
        let iso = EarlierIso(BTreeMap::from([
            record("nixos-system-web-24.05", &["bash", "nixos-system-web-24.05"]),
            record("nixos-system-web-db-24.05", &["sqlite"]),
            record("nixos-system-nixos-24.05", &["bash", "vim"]),
            record("nixos-system-nixos-24.05.1", &["bash"]),
            record("nixos-system-mail-blue-24.05", &["vim"]),
            record("nixos-system-mail-in-stable", &["sqlite"]),
            record("bash", &["glibc"]),
            record("glibc", &[]),
            record("sqlite", &[]),
            record("vim", &[]),
        ]));
        let set = |names: &[&str]| Some(names.iter().map(|name| path(name)).collect());
        let system = |name: &str| iso.system(name, &["web", "web-db", "nixos", "mail", "mail-in"]);
        assert_eq!(system("web"), set(&["nixos-system-web-24.05", "bash", "glibc"]));
        assert_eq!(system("nixos"), set(&["bash", "glibc"]));
        // With system.nixos.tags or a label, and another host whose name begins with this one.
        assert_eq!(system("mail"), set(&["nixos-system-mail-blue-24.05", "vim"]));
        assert_eq!(system("mail-in"), set(&["nixos-system-mail-in-stable", "sqlite"]));
        assert_eq!(system("dns"), None);
    }
}
