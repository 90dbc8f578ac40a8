//! `nix-cfg-iso enrol`: takes the public host keys that an installation left on a stick into the files by which sops and agenix know
//! whom secrets are encrypted for. These files are a person's: only what is new is inserted.

mod edits;
mod machine_key;
mod places;
mod yaml_outline;
mod sops_rules;
mod agenix_rules;
#[cfg(test)]
mod enrol_tests;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use similar::TextDiff;
use walkdir::WalkDir;

use super::copied::Copied;
use super::flake_template::{INSTALLER_DIR, MANIFEST};
use super::manifest::Manifest;
use crate::diagnostic::{Diagnostic, Diagnostics, EnrolProblem};
use crate::files::{read_text, write_with_mode};
use crate::live::mounts;
use crate::text::shell_word;
use edits::Added;
use machine_key::MachineKey;

/// The options of the command line.
#[derive(Debug)]
pub struct EnrolOptions {
    /// The configuration, or an ISO directory that has a copy of it.
    pub dir: PathBuf,
    /// Files with public keys, or directories with those that installations left; none: the stick that is mounted.
    pub keys: Vec<PathBuf>,
    /// Secrets that the machines are to open.
    pub secrets: Vec<PathBuf>,
    /// Whether to show the changes only.
    pub dry_run: bool,
}

type Add = fn(&str, &MachineKey, &[String]) -> Result<Added>;

/// The files that say whom secrets are encrypted for.
const KINDS: [(&str, Add); 2] = [
    (sops_rules::FILE, sops_rules::add),
    (agenix_rules::FILE, agenix_rules::add),
];

/// Bytes of a file that is read, at most.
const LARGEST: u64 = 1 << 24;

/// A file that is to be changed.
struct Change {
    name: &'static str,
    path: PathBuf,
    before: String,
    after: String,
    titles: Vec<String>,
}

/// Adds the keys. Returns what a person reads: what was changed, and what encrypts the secrets again.
///
/// # Errors
/// [`Diagnostics`] with all that is wrong, and errors of the file system. Nothing is written then.
pub fn enrol(options: &EnrolOptions) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let dir = configuration(&options.dir, &mut notes)?;
    let mut problems = Vec::new();
    let machines = machines(&options.keys, &mut problems)?;
    let mut changes = Vec::new();
    for (name, add) in KINDS {
        match find(&dir, name).as_slice() {
            [] => {}
            [path] => changes.extend(change(
                (name, add),
                path,
                (&machines, &options.secrets),
                &mut problems,
                &mut notes,
            )?),
            several => {
                let files = several.to_vec();
                problems.push(EnrolProblem::SeveralFiles { name, files }.into());
            }
        }
    }
    if KINDS.iter().all(|(name, _)| find(&dir, name).is_empty()) {
        problems.push(EnrolProblem::NoFile { dir: dir.clone() }.into());
    }
    if !problems.is_empty() {
        return Err(Diagnostics(problems).into());
    }
    for change in &changes {
        if options.dry_run {
            notes.extend(change.diff());
        } else if change.before != change.after {
            change.write()?;
        }
    }
    if options.dry_run {
        notes.push("Nothing was written.".to_owned());
    }
    let next: Vec<String> = changes.iter().filter_map(Change::next).collect();
    if !next.is_empty() {
        notes.push(format!(
            "Then encrypt the secrets for these keys, and make the ISO again:\n    {}",
            next.join("\n    ")
        ));
    }
    Ok(notes)
}

/// The directory of the configuration: of an ISO directory, the one that was copied.
fn configuration(dir: &Path, notes: &mut Vec<String>) -> Result<PathBuf> {
    let what = || format!("Failed to read {}", dir.display());
    if !dir.join(INSTALLER_DIR).join(MANIFEST).exists() {
        return fs::canonicalize(dir).with_context(what);
    }
    let manifest = Manifest::load(dir)?;
    let copied = manifest.configuration.last();
    let origin = copied.map_or_else(|| dir.to_owned(), Copied::origin);
    notes.push(format!("The configuration is that in {}.", origin.display()));
    fs::canonicalize(&origin).with_context(|| format!("Failed to read {}", origin.display()))
}

/// The machines whose keys are in these files, each once.
fn machines(named: &[PathBuf], problems: &mut Vec<Diagnostic>) -> Result<Vec<MachineKey>> {
    let stick = if named.is_empty() { mounted_stick() } else { None };
    if named.is_empty() && stick.is_none() {
        problems.push(EnrolProblem::NoStick.into());
    }
    let mut machines: Vec<MachineKey> = Vec::new();
    for place in named.iter().chain(&stick) {
        let files = if place.is_dir() {
            machine_key::in_directory(place)
        } else {
            vec![place.clone()]
        };
        if files.is_empty() {
            problems.push(EnrolProblem::NoKeys { dir: place.clone() }.into());
        }
        for file in files {
            match MachineKey::read(&file) {
                Ok(key) if machines.contains(&key) => {}
                Ok(key) if machines.iter().any(|other| other.name == key.name) => {
                    problems.push(EnrolProblem::Twice { machine: key.name }.into());
                }
                Ok(key) => machines.push(key),
                Err(error) => problems.extend(Diagnostics::of(error)?),
            }
        }
    }
    Ok(machines)
}

/// Where the stick with the answers file is mounted.
fn mounted_stick() -> Option<PathBuf> {
    let device = fs::canonicalize("/dev/disk/by-label/NIXCFG").ok()?;
    let mounts = mounts::below(Path::new("/")).into_iter();
    mounts.rev().find(|mount| mount.source == device).map(|mount| mount.at)
}

/// The files of this name in the configuration. A `secrets.nix` without public keys is a module, and not agenix's; one that cannot be
/// read may be.
fn find(dir: &Path, name: &str) -> Vec<PathBuf> {
    let entries = WalkDir::new(dir).sort_by_file_name().into_iter();
    let entries = entries
        .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git")
        .flatten();
    entries
        .filter(|entry| entry.file_name() == name && entry.path().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| {
            name != agenix_rules::FILE || read_text(path, LARGEST).map_or(true, |text| text.contains("publicKeys"))
        })
        .collect()
}

/// What becomes of the file at `path`. `None` where it has none of the secrets that were named.
fn change(
    (name, add): (&'static str, Add),
    path: &Path,
    (machines, secrets): (&[MachineKey], &[PathBuf]),
    problems: &mut Vec<Diagnostic>,
    notes: &mut Vec<String>,
) -> Result<Option<Change>> {
    let before = match machine_key::read_file(path, LARGEST) {
        Ok(text) => text,
        Err(error) => {
            problems.extend(Diagnostics::of(error)?);
            return Ok(None);
        }
    };
    let base = path.parent().unwrap_or(Path::new("/"));
    let is_of_agenix = |secret: &&PathBuf| secret.extension().is_some_and(|extension| extension == "age");
    let own = secrets
        .iter()
        .filter(|secret| is_of_agenix(secret) == (name == agenix_rules::FILE));
    let own: Vec<String> = own.map(|secret| relative(secret, base)).collect();
    if own.is_empty() && !secrets.is_empty() {
        return Ok(None);
    }
    let (mut after, mut titles) = (before.clone(), Vec::new());
    for machine in machines {
        match add(&after, machine, &own) {
            Ok(added) => {
                let verb = if added.text == after { "is in" } else { "added to" };
                notes.push(format!(
                    "{}: {verb} {}, for {}",
                    machine.name,
                    path.display(),
                    added.titles.join(", ")
                ));
                after = added.text;
                titles.extend(added.titles);
            }
            Err(error) => {
                let found = Diagnostics::of(error)?.into_iter();
                let line = |problem: &Diagnostic| problem.place.as_ref().and_then(|place| place.line);
                problems.extend(found.map(|problem| {
                    let line = line(&problem);
                    problem.at(path, line, None)
                }));
            }
        }
    }
    titles.sort();
    titles.dedup();
    let path = path.to_owned();
    Ok(Some(Change {
        name,
        path,
        before,
        after,
        titles,
    }))
}

/// A secret as the file in `base` names it. It may be named from there, or from the working directory.
fn relative(secret: &Path, base: &Path) -> String {
    let inside = [secret.to_owned(), base.join(secret)].into_iter().find_map(|path| {
        let path = fs::canonicalize(path).ok()?;
        Some(path.strip_prefix(base).ok()?.to_owned())
    });
    inside.unwrap_or_else(|| secret.to_owned()).display().to_string()
}

impl Change {
    fn diff(&self) -> Option<String> {
        let name = self.path.display().to_string();
        let diff = TextDiff::from_lines(&self.before, &self.after);
        let diff = diff.unified_diff().header(&name, &name).to_string();
        (!diff.is_empty()).then(|| diff.trim_end().to_owned())
    }

    fn write(&self) -> Result<()> {
        let what = || format!("Failed to write {}", self.path.display());
        // A link stays one.
        let path = fs::canonicalize(&self.path).with_context(what)?;
        let mode = fs::metadata(&path).with_context(what)?.permissions().mode();
        write_with_mode(&path, self.after.as_bytes(), mode & 0o7777)
    }

    /// What encrypts the secrets again; `None` where there are none yet.
    fn next(&self) -> Option<String> {
        let base = self.path.parent()?;
        let program = if self.name == agenix_rules::FILE {
            "agenix --rekey".to_owned()
        } else {
            let files = encrypted(base);
            let files = sops_rules::files_of(&self.after, &self.titles, &files);
            let files: Vec<String> = files.iter().map(|file| shell_word(file.as_ref())).collect();
            (!files.is_empty()).then(|| format!("sops updatekeys {}", files.join(" ")))?
        };
        Some(format!("cd {} && {program}", shell_word(base.as_os_str())))
    }
}

/// The files below `base` that sops encrypted: it leaves its metadata in them.
fn encrypted(base: &Path) -> Vec<String> {
    let entries = WalkDir::new(base).sort_by_file_name().into_iter();
    let entries = entries.filter_entry(|entry| entry.file_name() != ".git").flatten();
    let files = entries.filter(|entry| entry.file_type().is_file()).filter_map(|entry| {
        let text = read_text(entry.path(), LARGEST).ok()?;
        let is_encrypted = text.contains("ENC[AES256_GCM,") && text.contains("sops");
        is_encrypted
            .then(|| entry.path().strip_prefix(base).ok()?.to_str().map(str::to_owned))
            .flatten()
    });
    files.collect()
}
