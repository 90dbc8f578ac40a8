//! The configuration in an ISO directory as a copy: where it came from, what was copied, and what differs by now.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use nix::sys::stat::SFlag;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use super::git_state::GitState;
use super::staging::is_temporary;
use crate::process::Runner;
use crate::text::one_line;

/// The digest of each file and link of a configuration, by its path in it. Directories have none, as in Git.
pub(super) type Digests = BTreeMap<String, String>;

/// The record of one copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copied {
    /// The directory that was copied: an absolute path.
    pub from: String,
    /// The same in hexadecimal, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_bytes: Option<String>,
    /// The commit that was checked out there, where it is a Git repository with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How many files there were not as in that commit.
    #[serde(default)]
    pub uncommitted: usize,
    /// What was copied.
    pub files: Digests,
    /// The files with private keys that a person allowed, as they were then.
    #[serde(default, skip_serializing_if = "Digests::is_empty")]
    pub allowed_keys: Digests,
}

/// What became of the files of a configuration, by their paths.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
}

/// How a copy and the directory that it came from differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// What changed in that directory.
    pub there: Changes,
    /// What a person changed in the copy.
    pub here: Vec<String>,
}

/// Git's database (a flake in `path:` needs none, and inside another repository it would be a submodule), the links that
/// `nix build` leaves, and what a process of this program that was killed left.
pub(super) fn is_excluded(path: &Path, kind: SFlag) -> bool {
    let name = path.as_os_str().to_string_lossy();
    let of_build = kind == SFlag::S_IFLNK && (name == "result" || name.starts_with("result-"));
    let is_left = |name| kind == SFlag::S_IFDIR && is_temporary(name);
    of_build || path.file_name().is_some_and(|name| name == ".git" || is_left(name))
}

/// The digests of what is copied of the configuration at `root`; none where it does not exist.
///
/// # Errors
/// When something of it cannot be read.
pub(super) fn digests(root: &Path) -> Result<Digests> {
    let mut found = Digests::new();
    if !root.is_dir() {
        return Ok(found);
    }
    // A link is walked as what it links to.
    let root = &fs::canonicalize(root).with_context(|| format!("Failed to read {}", root.display()))?;
    let inside = |entry: &DirEntry| entry.path().strip_prefix(root).map(Path::to_owned).unwrap_or_default();
    let is_copied = |entry: &DirEntry| !is_excluded(&inside(entry), kind(entry));
    for entry in WalkDir::new(root).into_iter().filter_entry(is_copied) {
        let entry = entry.with_context(|| format!("Failed to read {}", root.display()))?;
        if !entry.file_type().is_dir() {
            found.insert(name(&inside(&entry)), digest(&entry)?);
        }
    }
    Ok(found)
}

fn kind(entry: &DirEntry) -> SFlag {
    let kind = entry.file_type();
    if kind.is_symlink() {
        SFlag::S_IFLNK
    } else if kind.is_dir() {
        SFlag::S_IFDIR
    } else {
        SFlag::S_IFREG
    }
}

fn digest(entry: &DirEntry) -> Result<String> {
    let path = entry.path();
    let what = || format!("Failed to read {}", path.display());
    if entry.path_is_symlink() {
        let target = fs::read_link(path).with_context(what)?;
        return Ok(format!("link {}", name(&target)));
    }
    if !entry.file_type().is_file() {
        return Ok("special".to_owned());
    }
    let mode = entry.metadata().with_context(what)?.permissions().mode();
    let mark = if mode & 0o111 == 0 { "" } else { " executable" };
    Ok(hash(&fs::read(path).with_context(what)?) + mark)
}

/// A path as a key of JSON: bytes that are not UTF-8 as `\\xff`, so a backslash is two. No other path has the same.
pub(super) fn name(path: &Path) -> String {
    let mut name = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        name += &chunk.valid().replace('\\', "\\\\");
        name.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    name
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

impl Changes {
    /// What makes `old` into `new`.
    pub fn between(old: &Digests, new: &Digests) -> Self {
        let mut changes = Self::default();
        for (path, digest) in new {
            match old.get(path) {
                None => changes.added.push(path.clone()),
                Some(before) if before != digest => changes.changed.push(path.clone()),
                Some(_) => {}
            }
        }
        changes
            .removed
            .extend(old.keys().filter(|path| !new.contains_key(*path)).cloned());
        changes
    }

    pub fn is_empty(&self) -> bool {
        self.paths().next().is_none()
    }

    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.added.iter().chain(&self.changed).chain(&self.removed)
    }

    /// A line for each.
    pub fn lines(&self) -> Vec<String> {
        if self.is_empty() {
            return vec!["No file has changed.".to_owned()];
        }
        let kinds = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ];
        let lines = kinds
            .into_iter()
            .flat_map(|(kind, paths)| paths.iter().map(move |path| format!("{kind}: {}", one_line(path))));
        lines.collect()
    }

    /// Those of them that `is_wanted`.
    fn only(mut self, is_wanted: impl Fn(&String) -> bool) -> Self {
        for paths in [&mut self.added, &mut self.changed, &mut self.removed] {
            paths.retain(&is_wanted);
        }
        self
    }
}

impl Difference {
    /// Of `copy`, which was as `copied` says, and its `origin` as it is now. Where a path changed in both, it counts as one that a
    /// person changed in the copy, because that is what could be lost.
    pub fn between(copied: &Digests, copy: &Digests, origin: &Digests) -> Self {
        let is_edited = |path: &String| copied.get(path) != copy.get(path);
        let all = Changes::between(copy, origin);
        let mut here: Vec<String> = all.paths().filter(|path| is_edited(path)).cloned().collect();
        here.sort();
        let there = all.only(|path| !is_edited(path));
        Self { there, here }
    }

    pub fn is_empty(&self) -> bool {
        self.here.is_empty() && self.there.is_empty()
    }
}

impl Copied {
    /// The record of the configuration in `from` without its files, and a sentence of what is copied. `runner` runs git.
    ///
    /// # Errors
    /// When the run was interrupted.
    pub fn now(from: &Path, runner: &Runner) -> Result<(Self, String)> {
        let from = std::path::absolute(from).context("Failed to find the working directory")?;
        let git = GitState::of(&from, runner)?;
        let described = git.as_ref().map(|git| format!(": {}", git.describe()));
        let sentence = format!("Copying {}{}.", from.display(), described.unwrap_or_default());
        let git = git.unwrap_or_default();
        let copied = Self {
            from_bytes: from
                .to_str()
                .is_none()
                .then(|| HEXLOWER.encode(from.as_os_str().as_bytes())),
            from: from.to_string_lossy().into_owned(),
            revision: git.revision,
            uncommitted: git.uncommitted.len(),
            files: Digests::new(),
            allowed_keys: Digests::new(),
        };
        Ok((copied, sentence))
    }

    /// The directory that was copied.
    pub fn origin(&self) -> PathBuf {
        let bytes = self
            .from_bytes
            .as_ref()
            .and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
        bytes.map_or_else(|| PathBuf::from(&self.from), |bytes| OsString::from_vec(bytes).into())
    }

    /// How the configuration in the ISO directory `dir` and the one that it was copied from differ; `None` where that is not on
    /// this machine, or cannot be read.
    pub fn difference(&self, copy: &Digests) -> Option<Difference> {
        let origin = digests(&self.origin()).ok().filter(|origin| !origin.is_empty())?;
        Some(Difference::between(&self.files, copy, &origin))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn every_change_of_a_tree_is_seen_and_what_is_not_copied_is_none() {
        let tree = tempfile::tempdir().unwrap();
        let path = |name: &str| tree.path().join(name);
        for name in ["same", "changed", "removed", "mode", "deep/er/same"] {
            put(tree.path(), name, name);
        }
        symlink("one", path("link")).unwrap();
        let old = digests(tree.path()).unwrap();
        let outside = tempfile::tempdir().unwrap();
        let link = outside.path().join("link");
        symlink(tree.path(), &link).unwrap();
        assert_eq!(digests(&link).unwrap(), old);
        assert_eq!(old.len(), 6, "{old:?}");
        put(tree.path(), "changed", "otherwise");
        put(tree.path(), "added", "");
        fs::remove_file(path("removed")).unwrap();
        fs::set_permissions(path("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(path("link")).unwrap();
        symlink("two", path("link")).unwrap();
        put(tree.path(), ".git/index", "");
        put(tree.path(), "deep/.nix-cfg-iso-killed/x", "");
        symlink("/nix/store/x", path("result")).unwrap();
        let changes = Changes::between(&old, &digests(tree.path()).unwrap());
        assert_eq!(changes.added, ["added"]);
        assert_eq!(changes.changed, ["changed", "link", "mode"]);
        assert_eq!(changes.removed, ["removed"]);
        assert!(digests(&path("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn no_two_names_have_the_same_digest_key_and_none_leaves_its_line() {
        let named = |bytes: &[u8]| name(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!(named("häuser/a.nix".as_bytes()), "häuser/a.nix");
        assert_eq!(
            (named(b"\xff").as_str(), named(b"\\xff").as_str()),
            ("\\xff", "\\\\xff")
        );
        let (old, new) = (
            Digests::new(),
            Digests::from([(named(b"a\nchanged: b"), String::new())]),
        );
        assert_eq!(Changes::between(&old, &new).lines(), ["added: a\u{fffd}changed: b"]);
    }

    #[test]
    fn what_a_person_changed_in_the_copy_is_told_from_what_changed_in_the_origin() {
        let digests = |text: &str| -> Digests {
            let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
            pairs
                .map(|(path, digest)| (path.to_owned(), digest.to_owned()))
                .collect()
        };
        let difference = |copied, copy, origin| Difference::between(&digests(copied), &digests(copy), &digests(origin));
        assert!(difference("a=1 b=1", "a=1 b=1", "a=1 b=1").is_empty());
        let there = difference("a=1 b=1", "a=1 b=1", "a=2 c=1");
        assert_eq!(there.here, [""; 0]);
        assert_eq!(
            (there.there.added, there.there.changed, there.there.removed),
            (vec!["c".to_owned()], vec!["a".to_owned()], vec!["b".to_owned()])
        );
        let here = difference("a=1 b=1 d=1", "a=2 c=1 d=1", "a=1 b=1 d=1");
        assert!(here.there.is_empty());
        assert_eq!(here.here, ["a", "b", "c"]);
        // The same edit was made in both.
        assert!(difference("a=1", "a=2", "a=2").is_empty());
    }
}
