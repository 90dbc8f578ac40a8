//! Which files of a tree belong to the host that is installed, and which to another: by the directories that are named after
//! hosts, and by the paths that lead from one file to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::flake_hosts::{HOST_DIRECTORIES, NamedHost, named_hosts};
use super::nix_files::{literal_paths, nix_files, normal};
use super::source::FLAKE_NIX;
use crate::diagnostic::HardwareProblem;

/// The entry points of a host in its directory.
const ENTRIES: [&str; 3] = ["default.nix", "configuration.nix", FLAKE_NIX];

/// The files of a tree by host. Nothing is evaluated: what a function computes is not seen.
pub(super) struct HostFiles<'a> {
    root: &'a Path,
    /// The host that is installed, where it is known.
    host: Option<&'a str>,
    /// Those that flake.nix names.
    hosts: Vec<NamedHost>,
    /// The files that each Nix file names; they need not exist.
    named_in: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// What the host names, directly or through other files.
    reached: BTreeSet<PathBuf>,
}

impl<'a> HostFiles<'a> {
    pub fn read(root: &'a Path, host: Option<&'a str>) -> Self {
        let flake = fs::read_to_string(root.join(FLAKE_NIX)).unwrap_or_default();
        let hosts = named_hosts(&flake);
        let mut named_in = BTreeMap::new();
        // With one host, all files are that host's.
        let is_only = |host| hosts.len() == 1 && hosts[0].name == host;
        if host.is_some_and(|host| !is_only(host)) {
            named_in.extend(nix_files(root).map(|(file, text)| {
                let named = literal_paths(&file, &text);
                (file, named)
            }));
        }
        let mut all = Self {
            root,
            host,
            hosts,
            named_in,
            reached: BTreeSet::new(),
        };
        if let Some(host) = host {
            all.reached = all.reached_from(host);
        }
        all
    }

    /// Those of `files` that belong to the host: in its directory, or else reached from its files.
    pub fn own<'b>(&self, files: &'b [PathBuf]) -> Vec<&'b PathBuf> {
        let in_directory: Vec<&PathBuf> = files
            .iter()
            .filter(|file| self.host.is_some() && self.directory_owner(file) == self.host)
            .collect();
        if !in_directory.is_empty() {
            return in_directory;
        }
        files.iter().filter(|file| self.reached.contains(*file)).collect()
    }

    /// Why `file`, the only candidate and not one of the host's [own](Self::own), is not taken for it: it belongs to another
    /// host, or whose it is depends on the host.
    pub fn doubt(&self, file: &Path, similar: &[PathBuf]) -> Option<HardwareProblem> {
        let path = file.to_owned();
        let Some(host) = self.host else {
            let owner = self.directory_owner(file).filter(|_| self.hosts.len() > 1);
            let owner = owner.map_or_else(|| self.one_of_several(file), |owner| Some(owner.to_owned()))?;
            return Some(HardwareProblem::HostNeeded { path, owner });
        };
        if self.hosts.len() == 1 && self.hosts[0].name == host {
            return None;
        }
        let others = || {
            self.hosts
                .iter()
                .map(|other| other.name.as_str())
                .filter(|other| *other != host)
        };
        let by_directory = self.directory_owner(file).map(str::to_owned);
        let by_path = || {
            others()
                .find(|other| self.reached_from(other).contains(file))
                .map(str::to_owned)
        };
        let owner = by_directory.or_else(by_path).or_else(|| self.beside(file, host))?;
        Some(HardwareProblem::OtherHost {
            path,
            owner,
            host: host.to_owned(),
            similar: similar.to_vec(),
        })
    }

    /// The host after which the innermost directory of `file` is named.
    fn directory_owner<'b>(&'b self, file: &Path) -> Option<&'b str> {
        let names = || self.hosts.iter().map(|host| host.name.as_str()).chain(self.host);
        let directories = file.parent()?.components().rev();
        directories
            .into_iter()
            .find_map(|directory| names().find(|name| directory.as_os_str() == *name))
    }

    /// The name of the directory of `file` beside that of `host`: `a` of hosts/a/…, where there is hosts/b or hosts/b.nix.
    fn beside(&self, file: &Path, host: &str) -> Option<String> {
        let has_entry = |directory: &Path| {
            ENTRIES
                .iter()
                .any(|entry| self.root.join(directory).join(entry).is_file())
        };
        file.ancestors().skip(1).find_map(|directory| {
            let (name, above) = (directory.file_name()?, directory.parent()?);
            let of_host = above.join(host);
            let is_file = self.root.join(above).join(format!("{host}.nix")).is_file();
            let is_directory = self.root.join(&of_host).is_dir();
            let is_alike = is_host_directory(above) || has_entry(directory) && (is_file || has_entry(&of_host));
            ((is_file || is_directory) && is_alike).then(|| name.to_string_lossy().into_owned())
        })
    }

    /// The name of the directory of `file` where it is one of several in a directory of hosts.
    fn one_of_several(&self, file: &Path) -> Option<String> {
        file.ancestors().skip(1).find_map(|directory| {
            let (name, above) = (directory.file_name()?, directory.parent()?);
            if !is_host_directory(above) {
                return None;
            }
            let entries = fs::read_dir(self.root.join(above)).ok()?.flatten();
            let hosts = entries.filter(|entry| {
                let path = entry.path();
                ENTRIES.iter().any(|inner| path.join(inner).is_file())
                    || path.extension().is_some_and(|extension| extension == "nix") && !path.ends_with("default.nix")
            });
            (hosts.count() > 1).then(|| name.to_string_lossy().into_owned())
        })
    }

    fn reached_from(&self, host: &str) -> BTreeSet<PathBuf> {
        let named = self.hosts.iter().filter(|named| named.name == host);
        let paths = named.flat_map(|named| &named.paths).filter_map(|path| normal(path));
        let of_directory = self.named_in.keys().filter(|file| {
            self.directory_owner(file) == Some(host) || file.file_stem().is_some_and(|name| name == host)
        });
        let named_in = |file: &Path| self.named_in.get(file).cloned().unwrap_or_default();
        reached_from(self.root, paths.chain(of_directory.cloned()).collect(), named_in)
    }
}

/// The `first` files, and those that they name, directly or through other files. `named_in` gives the paths that a file names.
pub(super) fn reached_from(
    root: &Path,
    first: Vec<PathBuf>,
    named_in: impl Fn(&Path) -> Vec<PathBuf>,
) -> BTreeSet<PathBuf> {
    let mut queue = first;
    let mut reached = BTreeSet::new();
    while let Some(path) = queue.pop() {
        let file = if root.join(&path).is_dir() {
            path.join("default.nix")
        } else {
            path
        };
        if reached.insert(file.clone()) {
            queue.extend(named_in(&file));
        }
    }
    reached
}

fn is_host_directory(directory: &Path) -> bool {
    HOST_DIRECTORIES.iter().any(|hosts| directory.ends_with(hosts))
}
