//! Files that a person brings for the installed system, and that neither its configuration nor its store has: keys, secrets.

#[cfg(test)]
mod extra_files_tests;

use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_yaml::{Mapping, Value};
use walkdir::WalkDir;

use crate::diagnostic::{Diagnostic, Diagnostics, ExtraFilesProblem, RuleFault};
use crate::files::read_text;
use crate::tree::nix_files::normal;
use crate::yaml::{self, Fault};

/// The name under which a file is made, beside its own.
pub fn new_name(name: &OsStr) -> OsString {
    around(".", name, ".nix-cfg-install")
}

/// Bytes of the longest name that is left whole: no file system takes more than 255, and what is put around it has 28.
const LONGEST: usize = 200;

/// A name that has `name` in it. Of one that is too long, it has the beginning, and a number that tells it from others that begin so.
pub fn around(before: &str, name: &OsStr, after: &str) -> OsString {
    let mut all = OsString::from(before);
    if name.len() > LONGEST {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        // As text: FAT takes no other. A character has at most four bytes.
        all.push(name.to_string_lossy().chars().take(LONGEST / 5).collect::<String>());
        all.push(format!("-{:016x}", hasher.finish()));
    } else {
        all.push(name);
    }
    all.push(after);
    all
}

/// Who owns what, in the directory; it is not copied.
pub const MANIFEST: &str = "extra-files.yaml";

/// Bytes of the largest manifest that is read.
const LARGEST: u64 = 1_000_000;

/// A directory of such files, read once.
#[derive(Debug)]
pub struct ExtraFiles {
    /// Where they are now.
    pub directory: PathBuf,
    /// All of them, a directory before what is in it.
    pub files: Vec<ExtraFile>,
}

/// A file, a directory, or a link, which stays a link.
#[derive(Debug)]
pub struct ExtraFile {
    /// Relative to the directory, and to the root of the installed system.
    pub path: PathBuf,
    pub kind: Kind,
    /// Absent where the manifest does not say: root.
    pub owner: Option<Account>,
    /// Absent where the manifest does not say: root, or the owner's own group.
    pub group: Option<Account>,
    /// The permission bits that the manifest gives.
    pub mode: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With the mode that it gets where it is not there yet.
    Directory(u32),
    File,
    Link,
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    Id(u32),
    /// Of the installed system.
    Name(String),
}

/// What the manifest says of paths, relative to the root.
type Rules = Vec<(PathBuf, Rule)>;

/// What it says of one.
#[derive(Debug, Default)]
struct Rule {
    owner: Option<Account>,
    group: Option<Account>,
    mode: Option<u32>,
}

impl ExtraFiles {
    /// Reads the names in `directory`, and its manifest.
    ///
    /// # Errors
    /// [`Diagnostics`] with each file that cannot be brought, and each mistake in the manifest.
    pub fn read(directory: &Path) -> Result<Self, Diagnostics> {
        let mut problems = Vec::new();
        let manifest = directory.join(MANIFEST);
        let rules: Rules = match read_text(&manifest, LARGEST) {
            Ok(text) => rules(&text, &manifest, &mut problems),
            Err(_) if directory.is_dir() && manifest.symlink_metadata().is_err() => Rules::new(),
            Err(error) => {
                let at = if directory.is_dir() { &manifest } else { directory };
                return Err(Diagnostics(vec![unreadable(&error.to_string(), at)]));
            }
        };
        let mut files = Vec::new();
        for entry in WalkDir::new(directory).min_depth(1).sort_by_file_name() {
            match entry {
                Ok(entry) if entry.depth() == 1 && entry.file_name() == MANIFEST => {}
                Ok(entry) => match extra_file(directory, &entry, &rules) {
                    Ok(file) => files.push(file),
                    Err(problem) => problems.push(Diagnostic::from(problem).at(entry.path(), None, None)),
                },
                Err(error) => {
                    let at = error.path().unwrap_or(directory).to_owned();
                    problems.push(unreadable(&words(&error), &at));
                }
            }
        }
        let absent = rules.iter().map(|(path, _)| path);
        let absent = absent.filter(|path| !files.iter().any(|file| file.path == **path));
        let absent = absent.map(|path| ExtraFilesProblem::RuleWithoutFile { path: path.clone() });
        problems.extend(absent.map(|problem| Diagnostic::from(problem).at(&manifest, None, None)));
        if problems.is_empty() {
            let directory = directory.to_owned();
            Ok(Self { directory, files })
        } else {
            Err(Diagnostics(problems))
        }
    }

    /// Their paths in the installed system.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        let paths = self.files.iter().map(|file| file.path.to_str());
        paths.flatten().map(|path| format!("/{path}"))
    }

    /// How many of them are no directories.
    pub fn count(&self) -> usize {
        let is_file = |file: &&ExtraFile| !matches!(file.kind, Kind::Directory(_));
        self.files.iter().filter(is_file).count()
    }
}

/// What the system says. The words of `walkdir` have the path, which stands beside the problem already.
fn words(error: &walkdir::Error) -> String {
    let of_system = error.io_error().map(io::Error::to_string);
    of_system.unwrap_or_else(|| error.to_string())
}

fn unreadable(error: &str, at: &Path) -> Diagnostic {
    let error = error.to_owned();
    Diagnostic::from(ExtraFilesProblem::Unreadable { error }).at(at, None, None)
}

fn extra_file(
    root: &Path,
    entry: &walkdir::DirEntry,
    rules: &[(PathBuf, Rule)],
) -> Result<ExtraFile, ExtraFilesProblem> {
    let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
    let kind = entry.file_type();
    let kind = if kind.is_dir() {
        Kind::Directory(mode_of_new_directory(&path, entry.path()))
    } else if kind.is_file() {
        Kind::File
    } else if kind.is_symlink() {
        Kind::Link
    } else {
        return Err(ExtraFilesProblem::Special);
    };
    let is_directory = matches!(kind, Kind::Directory(_));
    if !is_directory && not_kept(&path) {
        return Err(ExtraFilesProblem::NotKept { path });
    }
    let of_system: &[&str] = if is_directory { &FILES } else { &DIRECTORIES };
    if of_system.iter().any(|of_system| path == Path::new(of_system)) {
        return Err(ExtraFilesProblem::OtherKind { path, is_directory });
    }
    let nearest = |what: fn(&Rule) -> Option<&Account>| {
        let mut above = path.ancestors();
        above.find_map(|path| rule_of(rules, path).and_then(what)).cloned()
    };
    Ok(ExtraFile {
        owner: nearest(|rule| rule.owner.as_ref()),
        group: nearest(|rule| rule.group.as_ref()),
        mode: rule_of(rules, &path).and_then(|rule| rule.mode),
        kind,
        path,
    })
}

fn rule_of<'a>(rules: &'a [(PathBuf, Rule)], path: &Path) -> Option<&'a Rule> {
    rules.iter().find(|(of, _)| of == path).map(|(_, rule)| rule)
}

/// What is a directory in every installed system, and what is a file. Where it is the other, nixos-install or the activation fails.
const DIRECTORIES: [&str; 10] = [
    "bin", "boot", "etc", "home", "nix", "root", "usr", "usr/bin", "var", "var/lib",
];
const FILES: [&str; 6] = [
    "bin/sh",
    "etc/fstab",
    "etc/group",
    "etc/passwd",
    "etc/shadow",
    "usr/bin/env",
];

/// Whether the installed system does not keep what is at `path`, or takes it from its configuration.
fn not_kept(path: &Path) -> bool {
    const PLACES: [&str; 8] = ["dev", "etc/nixos", "nix/store", "nix/var", "proc", "run", "sys", "tmp"];
    PLACES.iter().any(|place| path.starts_with(place))
}

/// A directory for files is closed to others; one that only leads to directories, and /etc and /etc/ssh, which everybody reads,
/// wherever they are kept, is open.
fn mode_of_new_directory(path: &Path, source: &Path) -> u32 {
    let holds_files = || {
        let entries = fs::read_dir(source).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| !entry.path().is_dir())
    };
    let is_shared = path.ends_with("etc") || path.ends_with("etc/ssh");
    let is_closed = path == Path::new("root") || !is_shared && holds_files();
    if is_closed { 0o700 } else { 0o755 }
}

/// The rules of a manifest.
fn rules(text: &str, manifest: &Path, problems: &mut Vec<Diagnostic>) -> Rules {
    let mut refuse = |fault, line: Option<u32>| {
        problems.push(Diagnostic::from(ExtraFilesProblem::Manifest { fault }).at(manifest, line, None));
    };
    let keys: Mapping = match yaml::parsed(text) {
        Ok(Value::Mapping(keys)) => keys,
        Ok(Value::Null) => Mapping::new(),
        Ok(_) => {
            refuse(RuleFault::NoMapping, None);
            return Rules::new();
        }
        Err(Fault { error, line, .. }) => {
            refuse(RuleFault::Yaml { error }, line);
            return Rules::new();
        }
    };
    let mut rules = Rules::new();
    for (path, value) in &keys {
        let path = path.as_str().unwrap_or_default();
        let line = text.lines().zip(1..).find(|(line, _)| line.contains(path));
        let line = line.map(|(_, line)| line);
        let inside = path.strip_prefix('/').map(Path::new).and_then(normal);
        let Some(inside) = inside.filter(|inside| inside.as_os_str() != "") else {
            refuse(RuleFault::Path { path: path.to_owned() }, line);
            continue;
        };
        match rule(value) {
            Ok(rule) => rules.push((inside, rule)),
            Err(faults) => faults.into_iter().for_each(|fault| refuse(fault, line)),
        }
    }
    rules
}

fn rule(value: &Value) -> Result<Rule, Vec<RuleFault>> {
    let keys = value.as_mapping().ok_or_else(|| vec![RuleFault::NoRule])?;
    let (mut rule, mut faults) = (Rule::default(), Vec::new());
    for (key, value) in keys {
        let key = key.as_str().unwrap_or_default();
        match (key, account(value)) {
            ("owner", Some(owner)) => rule.owner = Some(owner),
            ("group", Some(group)) => rule.group = Some(group),
            ("owner" | "group", None) => faults.push(RuleFault::Account { key: key.to_owned() }),
            ("mode", _) => match value.as_str().and_then(mode) {
                Some(mode) => rule.mode = Some(mode),
                None => faults.push(RuleFault::Mode),
            },
            _ => faults.push(RuleFault::Key { key: key.to_owned() }),
        }
    }
    if faults.is_empty() { Ok(rule) } else { Err(faults) }
}

fn account(value: &Value) -> Option<Account> {
    match value {
        Value::String(name) if !name.is_empty() && !name.contains([':', '\n']) => Some(Account::Name(name.clone())),
        Value::Number(id) => Some(Account::Id(u32::try_from(id.as_u64()?).ok()?)),
        _ => None,
    }
}

/// As chmod(1) takes it, in digits. Not a number of YAML: there, `0o640` is 416.
fn mode(text: &str) -> Option<u32> {
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    digits.then(|| u32::from_str_radix(text, 8).ok())?
}
