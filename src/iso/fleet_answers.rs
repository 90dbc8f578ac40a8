//! The answers file of an ISO directory: a skeleton of it, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::ErrorKind::AlreadyExists;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::flake_template::{CONFIG_DIR, IsoSpec};
use super::manifest::Manifest;
use crate::answers_file::{self, Entry, Mode, NamedPassphrase};
use crate::diagnostic::{AnswersFileProblem, Diagnostic, Diagnostics};
use crate::files::read_text;
use crate::live::answers::{self, Lists};
use crate::tree::disk_layout::{DiskLayout, disk_layouts};

/// Writes a skeleton into the ISO directory `dir`, and returns its path.
///
/// # Errors
/// When it is no ISO directory, or the file cannot be written, because it exists for instance.
pub fn write(dir: &Path) -> Result<PathBuf> {
    let path = dir.join(answers_file::NAME);
    let mut layouts = disk_layouts(&dir.join(CONFIG_DIR), &[]);
    layouts.retain(|layout| layout.disko);
    let hosts = Manifest::load(dir)?.hosts(dir);
    create(&path, &skeleton(&hosts, &layouts))?;
    Ok(path)
}

fn create(path: &Path, text: &str) -> Result<()> {
    let written = File::create_new(path).and_then(|mut file| {
        // One that is cut off would be taken for a person's.
        file.write_all(text.as_bytes())
            .inspect_err(|_| drop(fs::remove_file(path)))
    });
    match written {
        Err(error) if error.kind() == AlreadyExists => {
            Err(Diagnostic::from(AnswersFileProblem::Exists).at(path, None, None).into())
        }
        written => written.with_context(|| format!("Failed to write {}", path.display())),
    }
}

const HEADER: &str = "\
# Installs without questions: `nix-cfg-install --answers`, from this file on a stick with the label NIXCFG, or on the ISO.
# docs/fleet.md has all keys. `nix-cfg-iso doctor` checks this file. What `disks` names is ERASED.
# An entry with `match: all` is for every machine that no other entry names.
machines:
";

const PLAIN_DISK: &str = "    # The disk: `only` (refused where there are several), `largest`, a size such as \">= 200 GB\", or a path in /dev/disk/by-id.
    disks: only
    # passphrase: prompt            # or { file: PATH }: the root is encrypted
";

const LAYOUT: &str = "    # The disks of the configuration's layout for disko, by their names in it: `only`, `largest`, a size such as \">= 200 GB\", or
    # a path in /dev/disk/by-id.
";

const LAYOUT_PASSPHRASE: &str = "    # passphrase: { file: PATH }    # of its encrypted volumes
";

const REST: &str = "    # set: { timezone: Europe/Berlin, locale: de_DE.UTF-8, keymap: de, hostname: pc-1 }    # what the configuration leaves open
    # extra-files: DIR              # keys and the like (docs/extra-files.md)
    after: power-off                # or reboot, or stay
    # reinstall: true               # also where this program has installed a system already: it is ERASED
    # mode: update                  # a machine that was installed from an earlier ISO; nothing is erased
";

/// An entry for each host, or for all machines where there are none to choose from. `layouts`: those for disko.
fn skeleton(hosts: &[String], layouts: &[DiskLayout]) -> String {
    let mut text = HEADER.to_owned();
    let mut entry = |matches: &str, host: Option<&String>| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  - match: {matches}");
        if let Some(host) = host {
            let _ = writeln!(text, "    host: {}", serde_json::Value::from(host.as_str()));
        }
        if layouts.is_empty() {
            text.push_str(PLAIN_DISK);
        } else {
            let (disks, comment) = disks(layouts, host);
            let _ = writeln!(text, "{LAYOUT}    disks: {{ {disks} }}{comment}");
            text.push_str(LAYOUT_PASSPHRASE);
        }
        text.push_str(REST);
    };
    match hosts {
        [] => entry("all", None),
        [host] => entry("all", Some(host)),
        several => {
            for (number, host) in several.iter().enumerate() {
                // Different ones, so that the file is correct before it is edited.
                let matches = format!(
                    "{{ serial: \"SERIAL-NUMBER-{}\" }}    # or uuid, or mac; `nix-cfg-install --answers` prints those of a machine",
                    number + 1
                );
                entry(&matches, Some(host));
            }
        }
    }
    text
}

/// The disks of a host's layout, and what is to be looked at there. Several layouts are of several hosts, which their paths name.
fn disks(layouts: &[DiskLayout], host: Option<&String>) -> (String, &'static str) {
    let is_of_host = |layout: &&DiskLayout| {
        let parts = layout.file.with_extension("");
        host.is_some_and(|host| parts.iter().any(|part| part == host.as_str()))
    };
    let own: Vec<&DiskLayout> = layouts.iter().filter(is_of_host).collect();
    let of = if own.is_empty() { layouts.iter().collect() } else { own };
    let names: BTreeSet<&String> = of.iter().flat_map(|layout| &layout.disks).collect();
    let disk = |(number, name): (usize, &String)| {
        let is_plain = name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '-' || char == '_');
        let name = if is_plain {
            name.clone()
        } else {
            serde_json::Value::from(name.as_str()).to_string()
        };
        // No two can be the only one.
        let place = format!("/dev/disk/by-id/DISK-{}", number + 1);
        format!("{name}: {}", if names.len() == 1 { "only" } else { &place })
    };
    let disks: Vec<String> = (0..).zip(names.iter().copied()).map(disk).collect();
    match (names.is_empty(), of.len()) {
        (true, _) => (
            "main: only".to_owned(),
            "    # the names are computed: write those of `disko.devices.disk`",
        ),
        (false, 1) => (disks.join(", "), ""),
        (false, _) => (disks.join(", "), "    # of several layouts: leave those of this host"),
    }
}

/// What is wrong with the answers file of an ISO directory, if there is one. `of_settings`: the host in its settings.
pub(super) fn problems(dir: &Path, spec: &IsoSpec, of_settings: Option<&str>) -> Vec<Diagnostic> {
    let path = dir.join(answers_file::NAME);
    // A link to nowhere is there, and cannot be read.
    if path.symlink_metadata().is_err() {
        return Vec::new();
    }
    let (entries, mut problems) = read(&path);
    for entry in &entries {
        let is_known = match &entry.host {
            Some(host) => spec.hosts.contains(host),
            // The machine that is updated knows which it is.
            None => spec.hosts.len() < 2 || of_settings.is_some() || entry.mode == Mode::Update,
        };
        if !is_known {
            let (name, hosts) = (entry.host.clone(), spec.hosts.clone());
            let problem = Diagnostic::from(AnswersFileProblem::Host { name, hosts });
            problems.push(problem.at(&path, entry.line, None));
        }
    }
    problems
}

/// The entries of the file at `path`, and what is wrong with them on whatever machine.
fn read(path: &Path) -> (Vec<Entry>, Vec<Diagnostic>) {
    let parsed = match read_text(path, answers_file::LARGEST) {
        Ok(text) => answers_file::parse(&text, path).map(|answers| answers.machines),
        Err(error) => Err(Diagnostics(vec![answers_file::unreadable(&error, path)])),
    };
    match parsed {
        Ok(entries) => {
            let of = |entry: &Entry| answers::problems(&entry.set, &Lists::default(), &BTreeMap::new());
            let at = |entry: &Entry| {
                of(entry)
                    .into_values()
                    .map(|problem| problem.at(path, entry.line, None))
                    .collect::<Vec<_>>()
            };
            let problems = entries.iter().flat_map(at).collect();
            (entries, problems)
        }
        Err(Diagnostics(problems)) => (Vec::new(), problems),
    }
}

/// Reads the answers file at `path` for an ISO, and returns the other files that it names, which are not brought with it.
///
/// # Errors
/// [`Diagnostics`] with everything that is wrong with it.
pub(super) fn brought(path: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    let (entries, problems) = read(path);
    if !problems.is_empty() {
        return Err(Diagnostics(problems));
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    let passphrase = |entry: &Entry| match &entry.passphrase {
        Some(NamedPassphrase::File(file)) => Some(file.clone()),
        _ => None,
    };
    let named = entries
        .iter()
        .flat_map(|entry| passphrase(entry).into_iter().chain(entry.extra_files.clone()));
    Ok(named
        .filter_map(|file| Some(file.strip_prefix(directory).ok()?.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skeleton_is_a_correct_answers_file_as_it_is_and_with_each_comment_removed() {
        for hosts in [&[][..], &["no".to_owned()], &["a".to_owned(), "b".to_owned()]] {
            for layouts in [
                vec![],
                vec![layout("disk.nix", &["main"])],
                vec![layout("disk.nix", &[])],
            ] {
                let text = skeleton(hosts, &layouts);
                let entries = answers_file::parse(&text, Path::new("/f")).unwrap().machines;
                assert_eq!(entries.len(), hosts.len().max(1));
                assert_eq!(entries[0].host.as_ref(), hosts.first());
                for comment in ["passphrase", "set", "extra-files", "reinstall", "mode"] {
                    let without = text.replace(&format!("    # {comment}:"), &format!("    {comment}:"));
                    assert_ne!(without, text, "{comment}");
                    let entries = answers_file::parse(&without, Path::new("/f")).unwrap().machines;
                    assert!(answers::problems(&entries[0].set, &Lists::default(), &BTreeMap::new()).is_empty());
                }
            }
        }
    }

    fn layout(file: &str, disks: &[&str]) -> DiskLayout {
        DiskLayout {
            file: file.into(),
            line: 1,
            disko: true,
            disks: disks.iter().map(|&disk| disk.to_owned()).collect(),
        }
    }

    #[test]
    fn the_disks_are_those_of_the_layout_of_the_host() {
        let layouts = [layout("hosts/a/disk.nix", &["root", "b c"]), layout("b.nix", &["nvme"])];
        let text = skeleton(&["a".to_owned(), "b".to_owned(), "c".to_owned()], &layouts);
        let written: Vec<&str> = text.lines().filter(|line| line.starts_with("    disks:")).collect();
        assert_eq!(
            written,
            [
                "    disks: { \"b c\": /dev/disk/by-id/DISK-1, root: /dev/disk/by-id/DISK-2 }",
                "    disks: { nvme: only }",
                "    disks: { \"b c\": /dev/disk/by-id/DISK-1, nvme: /dev/disk/by-id/DISK-2, root: /dev/disk/by-id/DISK-3 }    # of several layouts: leave those of this host",
            ]
        );
        assert_eq!(answers_file::parse(&text, Path::new("/f")).unwrap().machines.len(), 3);
    }

    #[test]
    fn what_was_written_before_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(answers_file::NAME);
        let write = || create(&file, "new").map_err(|error| error.to_string());
        std::os::unix::fs::symlink("/none/here", &file).unwrap();
        assert!(write().unwrap_err().contains("There is an answers file already"));
        fs::remove_file(&file).unwrap();
        write().unwrap();
        assert!(write().is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn a_file_for_other_hosts_is_wrong_before_the_iso_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let spec = |hosts: &[&str]| IsoSpec {
            kind: crate::tree::source::ConfigKind::Flake,
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            desktop: String::new(),
            nixpkgs: String::new(),
            channels: super::super::channels::Channels::new(),
            fetched: Vec::new(),
            system: String::new(),
            hardware_config: None,
            build_helper: false,
            state_version: None,
        };
        let said = |hosts: &[&str], of_settings| {
            let problems = problems(directory.path(), &spec(hosts), of_settings).into_iter();
            problems.map(|problem| problem.what).collect::<Vec<_>>()
        };
        assert_eq!(said(&["a"], None), [""; 0]);
        let text = "machines:\n- match: { serial: PF1 }\n  host: c\n- match: all\n  set: { timezone: \"\" }\n  extra-files: keys\n";
        let file = directory.path().join(answers_file::NAME);
        std::os::unix::fs::symlink("/none/here", &file).unwrap();
        assert_eq!(said(&["a"], None), ["The answers file cannot be read"]);
        fs::remove_file(&file).unwrap();
        fs::write(&file, text).unwrap();
        let timezone = "timezone cannot be ``";
        let unknown = "The ISO has no host `c`";
        assert_eq!(said(&["a"], None), [timezone, unknown]);
        assert_eq!(said(&["a", "c"], Some("a")), [timezone]);
        let unclear = "The entry does not say which host the machine becomes";
        assert_eq!(said(&["a", "c"], None), [timezone, unclear]);
        let updated = text
            .replace("match: all", "match: all\n  mode: update")
            .replace("  extra-files: keys\n", "");
        fs::write(&file, updated).unwrap();
        assert_eq!(said(&["a", "c"], None), [timezone], "the machine has its host");
        fs::write(&file, text).unwrap();
        assert!(brought(&file).is_err());
        fs::write(&file, text.replace("  set: { timezone: \"\" }\n", "")).unwrap();
        assert_eq!(brought(&file).unwrap(), [Path::new("keys")]);
    }
}
