//! The answers file of an unattended installation: which machine becomes what, on which disks. docs/fleet.md describes it.

mod lines;
mod identifier;
mod values;
#[cfg(test)]
mod answers_file_tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use crate::diagnostic::{AnswersFileProblem, Diagnostic, Diagnostics};
use crate::settings::described;
use crate::text::{similar, without_mark};
use crate::tree::fingerprint::Side;
use crate::yaml::{self, Fault};
pub use identifier::is_placeholder;
use lines::Lines;
pub use values::{After as AfterInstallation, Disks as NamedDisks, Mode, Passphrase as NamedPassphrase, Selection};
use values::{After, Disks, Passphrase, Read};

/// The file's name on an ISO, and on a stick.
pub const NAME: &str = "nix-cfg-install.answers.yaml";

/// Bytes of the largest file that is read.
pub const LARGEST: u64 = 1_000_000;

/// What the file says.
#[derive(Debug)]
pub struct Answers {
    /// The addresses of the binary cache to install from, and the keys that count there. Empty: from the ISO.
    pub medium: Vec<String>,
    pub public_keys: Vec<String>,
    pub machines: Vec<Entry>,
}

/// What is to become of one machine, or of several.
#[derive(Debug)]
pub struct Entry {
    /// Where the entry begins, counted from 1, where that is known.
    pub line: Option<u32>,
    pub matches: Match,
    pub mode: Mode,
    pub host: Option<String>,
    /// What is erased. Absent: what is mounted at the target is installed to. For an update, where the system is; absent: on any disk.
    pub disks: Option<Disks>,
    /// Of the encrypted root; absent where it is not encrypted.
    pub passphrase: Option<Passphrase>,
    /// Answers about the system, by their keys.
    pub set: BTreeMap<String, String>,
    pub extra_files: Option<PathBuf>,
    pub after: After,
    /// Whether a system from this ISO is erased as well.
    pub reinstall: bool,
    /// Which side counts where the configuration was changed by hand on a machine that is updated.
    pub take: Option<Side>,
    /// Whether an update may bring an older system.
    pub older: bool,
}

/// Which machines an entry is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Match {
    /// Those that no other entry is for.
    All,
    /// Those that have one of the values of each kind that is not empty.
    Machine {
        serial: Vec<String>,
        uuid: Vec<String>,
        mac: Vec<String>,
    },
}

const OUTSIDE: [&str; 3] = ["machines", "medium", "public-key"];
const KEYS: [&str; 11] = [
    "match",
    "mode",
    "host",
    "disks",
    "passphrase",
    "set",
    "extra-files",
    "after",
    "reinstall",
    "take",
    "older",
];

/// The keys that only an installation takes, and those that only an update does.
const OF_INSTALLATION: &[&str] = &["extra-files", "reinstall"];
const OF_UPDATE: &[&str] = &["take", "older"];

/// That the file at `path` cannot be read.
pub fn unreadable(error: &io::Error, path: &Path) -> Diagnostic {
    let error = error.to_string();
    Diagnostic::from(AnswersFileProblem::Unreadable { error }).at(path, None, None)
}

/// What is in `text`, which is that of the file at `path`. Relative paths in it begin at its directory.
///
/// # Errors
/// [`Diagnostics`] with everything that is wrong with it whatever the machine is.
pub fn parse(text: &str, path: &Path) -> Result<Answers, Diagnostics> {
    let text = without_mark(text);
    let mut found = Reading {
        path,
        directory: path.parent().unwrap_or(Path::new("/")),
        lines: Lines::of(text),
        problems: Vec::new(),
    };
    let answers = found.answers(text);
    if found.problems.is_empty() {
        Ok(answers)
    } else {
        Err(Diagnostics(found.problems))
    }
}

/// A file that is being read, and what is wrong with it so far, in the order of its lines.
struct Reading<'a> {
    path: &'a Path,
    directory: &'a Path,
    lines: Lines<'a>,
    problems: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn report(&mut self, problem: AnswersFileProblem, line: Option<u32>) {
        let line_of = |problem: &Diagnostic| problem.place.as_ref().and_then(|place| place.line);
        let at = self.problems.partition_point(|earlier| line_of(earlier) <= line);
        let problem = Diagnostic::from(problem).at(self.path, line, None);
        self.problems.insert(at, problem);
    }

    /// A value that was read, or the problem with that of `key` in the entry `index`.
    fn keep<T>(&mut self, index: usize, key: &str, read: Result<T, Vec<AnswersFileProblem>>) -> Option<T> {
        let line = self.lines.key(index, key);
        let report = |problems: Vec<_>| problems.into_iter().for_each(|problem| self.report(problem, line));
        read.map_err(report).ok()
    }

    fn answers(&mut self, text: &str) -> Answers {
        let document = yaml::parsed(text).unwrap_or_else(|Fault { error, line, .. }| {
            self.report(AnswersFileProblem::Invalid { error }, line);
            Value::Null
        });
        if !self.problems.is_empty() {
            return Answers {
                medium: Vec::new(),
                public_keys: Vec::new(),
                machines: Vec::new(),
            };
        }
        for key in document.as_mapping().into_iter().flat_map(Mapping::keys) {
            if key.as_str().is_none_or(|key| !OUTSIDE.contains(&key)) {
                let key = key.as_str().map_or_else(|| described(key), str::to_owned);
                let line = self.lines.outside(&key);
                self.report(unknown(key, &OUTSIDE), line);
            }
        }
        let mut words = |key: &str, read: fn(&Value) -> Read<Vec<String>>| {
            let value = document.get(key);
            let line = self.lines.outside(key);
            let report = |problems: Vec<_>| problems.into_iter().for_each(|problem| self.report(problem, line));
            value
                .and_then(|value| read(value).map_err(report).ok())
                .unwrap_or_default()
        };
        let medium = words("medium", values::addresses);
        let public_keys = words("public-key", values::public_keys);
        Answers {
            medium,
            public_keys,
            machines: self.entries(&document),
        }
    }

    fn entries(&mut self, document: &Value) -> Vec<Entry> {
        let machines = document.get("machines").and_then(Value::as_sequence);
        let Some(machines) = machines.filter(|list| !list.is_empty()) else {
            let value = document.get("machines").unwrap_or(document);
            let found = described(value);
            self.report(AnswersFileProblem::NoMachines { found }, self.lines.outside("machines"));
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (index, value) in machines.iter().enumerate() {
            entries.extend(self.entry(index, value));
        }
        self.twice(&entries);
        entries
    }

    fn entry(&mut self, index: usize, value: &Value) -> Option<Entry> {
        let line = self.lines.entry(index);
        let Some(entry) = value.as_mapping() else {
            let (key, found) = ("machines".to_owned(), described(value));
            let takes = "entries with keys, such as `- match: all`";
            self.report(AnswersFileProblem::WrongValue { key, takes, found }, line);
            return None;
        };
        let known = self.unknown_keys(index, entry, &KEYS);
        let matches = entry.get("match").map(|value| self.matches(index, value));
        if matches.is_none() {
            self.report(AnswersFileProblem::NoMatch, line);
        }
        let directory = self.directory.to_owned();
        // One without a value is refused: what was meant may be an encrypted disk.
        let read = |key: &str| entry.get(key).map(|value| (key.to_owned(), value));
        let mode = read("mode").and_then(|(key, value)| self.keep(index, &key, values::mode(value)));
        let host = read("host").and_then(|(key, value)| self.keep(index, &key, values::name(&key, value)));
        let disks = read("disks").and_then(|(_, value)| self.keep(index, "disks", values::disks(value)));
        let passphrase =
            read("passphrase").and_then(|(key, value)| self.keep(index, &key, values::passphrase(value, &directory)));
        let set = read("set").and_then(|(key, value)| self.keep(index, &key, values::answers(value)));
        let extra_files =
            read("extra-files").and_then(|(key, value)| self.keep(index, &key, values::path(&key, value, &directory)));
        let after = read("after").and_then(|(key, value)| self.keep(index, &key, values::after(value)));
        let reinstall = read("reinstall").and_then(|(key, value)| self.keep(index, &key, values::truth(&key, value)));
        let take = read("take").and_then(|(key, value)| self.keep(index, &key, values::side(value)));
        let older = read("older").and_then(|(key, value)| self.keep(index, &key, values::truth(&key, value)));
        // What is misspelt may have been it.
        if known {
            // As is a mode that is neither.
            let mode = if entry.contains_key("mode") {
                mode
            } else {
                Some(Mode::Install)
            };
            self.without_effect(index, entry, mode);
        }
        Some(Entry {
            line,
            matches: matches??,
            mode: mode.unwrap_or_default(),
            host,
            disks,
            passphrase,
            set: set.unwrap_or_default(),
            extra_files,
            after: after.unwrap_or_default(),
            reinstall: reinstall.unwrap_or_default(),
            take,
            older: older.unwrap_or_default(),
        })
    }

    /// Reports the keys of `entry` that mean nothing in its `mode`, where that is known, or without `disks`.
    fn without_effect(&mut self, index: usize, entry: &Mapping, mode: Option<Mode>) {
        let has = |key: &&str| entry.get(*key).is_some_and(|value| !value.is_null());
        let mut report = |key: &'static str, problem| self.report(problem, self.lines.key(index, key));
        let others = match mode {
            Some(Mode::Update) => OF_INSTALLATION,
            Some(Mode::Install) => OF_UPDATE,
            None => return,
        };
        for key in others.iter().copied().filter(has) {
            let is_update = mode == Some(Mode::Update);
            report(key, AnswersFileProblem::OtherMode { key, is_update });
        }
        if mode == Some(Mode::Install) && !has(&"disks") {
            for key in ["passphrase", "reinstall"].into_iter().filter(has) {
                report(key, AnswersFileProblem::NothingToPartition { key });
            }
        }
    }

    fn matches(&mut self, index: usize, value: &Value) -> Option<Match> {
        const KINDS: [&str; 3] = ["serial", "uuid", "mac"];
        if value.as_str() == Some("all") {
            return Some(Match::All);
        }
        let Some(kinds) = value.as_mapping().filter(|kinds| !kinds.is_empty()) else {
            let (key, found) = ("match".to_owned(), described(value));
            let takes = "`all`, or serial, uuid or mac with values";
            let line = self.lines.key(index, "match");
            self.report(AnswersFileProblem::WrongValue { key, takes, found }, line);
            return None;
        };
        self.unknown_keys(index, kinds, &KINDS);
        let [serial, uuid, mac] = KINDS.map(|kind| match kinds.get(kind) {
            Some(value) => self.keep(index, kind, values::identifiers(kind, value)),
            None => Some(Vec::new()),
        });
        let matches = Match::Machine {
            serial: serial?,
            uuid: uuid?,
            mac: mac?,
        };
        // One with no known kind is reported already, and would match every machine.
        KINDS.iter().any(|kind| kinds.contains_key(kind)).then_some(matches)
    }

    /// Whether all keys are among `known`; others are reported.
    fn unknown_keys(&mut self, index: usize, mapping: &Mapping, known: &[&'static str]) -> bool {
        let before = self.problems.len();
        for key in mapping.keys() {
            if key.as_str().is_some_and(|key| known.contains(&key)) {
                continue;
            }
            let key = key.as_str().map_or_else(|| described(key), str::to_owned);
            let line = self.lines.key(index, &key);
            self.report(unknown(key, known), line);
        }
        before == self.problems.len()
    }

    /// Reports entries that are certainly for the same machine.
    fn twice(&mut self, entries: &[Entry]) {
        let mut known: Vec<(String, Option<u32>)> = Vec::new();
        for entry in entries {
            let names = match &entry.matches {
                Match::All => vec!["match: all".to_owned()],
                // What has two kinds may share one of them with another machine.
                Match::Machine { serial, uuid, mac } => {
                    match [("serial", serial), ("uuid", uuid), ("mac", mac)].map(|(kind, all)| (kind, all.as_slice())) {
                        [one, (_, []), (_, [])] | [(_, []), one, (_, [])] | [(_, []), (_, []), one] => {
                            one.1.iter().map(|value| format!("{} {value}", one.0)).collect()
                        }
                        _ => Vec::new(),
                    }
                }
            };
            for what in names {
                match known.iter().find(|(known, _)| known.eq_ignore_ascii_case(&what)) {
                    Some(&(_, earlier)) => self.report(AnswersFileProblem::Twice { what, earlier }, entry.line),
                    None => known.push((what, entry.line)),
                }
            }
        }
    }
}

fn unknown(key: String, known: &[&'static str]) -> AnswersFileProblem {
    AnswersFileProblem::UnknownKey {
        nearest: similar(&key, known.iter().copied()).and_then(|near| known.iter().copied().find(|one| *one == near)),
        key,
        known: known.to_vec(),
    }
}
