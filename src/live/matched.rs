//! Which entry of an answers file is for a machine, and which of its disks that means.

use std::path::PathBuf;

use super::this_machine::{Candidate, ThisMachine};
use crate::answers_file::{Entry, Match, NamedDisks, Selection};
use crate::diagnostic::AnswersFileProblem;

/// The entry for `machine`.
///
/// # Errors
/// When there is none, or several.
pub fn entry(entries: Vec<Entry>, machine: &ThisMachine) -> Result<Entry, AnswersFileProblem> {
    let (rest, for_some): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.matches == Match::All);
    let mut fitting: Vec<Entry> = for_some
        .into_iter()
        .filter(|entry| fits(&entry.matches, machine))
        .collect();
    if fitting.len() > 1 {
        let lines = fitting.iter().filter_map(|entry| entry.line).collect();
        let names = machine.names();
        return Err(AnswersFileProblem::SeveralEntries { lines, names });
    }
    let entry = fitting.pop().or_else(|| rest.into_iter().next());
    entry.ok_or_else(|| AnswersFileProblem::NoEntry { names: machine.names() })
}

fn fits(matches: &Match, machine: &ThisMachine) -> bool {
    let Match::Machine { serial, uuid, mac } = matches else {
        return true;
    };
    let is_known = |one: &String, known: &[String]| known.iter().any(|other| other.eq_ignore_ascii_case(one));
    let one = |wanted: &[String], known: &[String]| wanted.is_empty() || wanted.iter().any(|one| is_known(one, known));
    let known = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    one(serial, &known(&machine.serial)) && one(uuid, &known(&machine.uuid)) && one(mac, &machine.macs)
}

/// The disks that are meant, with their names in disko's layout where they have one.
///
/// # Errors
/// Everything that is wrong with the choice.
pub fn disks(
    named: &NamedDisks,
    machine: &ThisMachine,
) -> Result<Vec<(Option<String>, Candidate)>, Vec<AnswersFileProblem>> {
    let wanted: Vec<(Option<String>, &Selection)> = match named {
        NamedDisks::One(selection) => vec![(None, selection)],
        NamedDisks::Named(all) => all
            .iter()
            .map(|(name, selection)| (Some(name.clone()), selection))
            .collect(),
    };
    let (mut found, mut problems): (Vec<(Option<String>, Candidate)>, _) = (Vec::new(), Vec::new());
    for (name, selection) in wanted {
        match disk(selection, machine) {
            Ok(disk) => found.push((name, disk)),
            Err(problem) => problems.push(problem),
        }
    }
    for (index, (name, disk)) in found.iter().enumerate() {
        let earlier = found[..index].iter().find(|(_, other)| other.path == disk.path);
        if let Some((other, _)) = earlier {
            problems.push(AnswersFileProblem::SameDisk {
                names: other.iter().chain(name).cloned().collect(),
                disk: disk.path.clone(),
            });
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn disk(selection: &Selection, machine: &ThisMachine) -> Result<Candidate, AnswersFileProblem> {
    let wanted = selection.to_string();
    if let Selection::Path(path) = selection
        && let Some(claimants) = machine.claimed.get(path)
    {
        let fitting = claimants.iter().map(|device| device.display().to_string()).collect();
        return Err(AnswersFileProblem::SeveralDisks { wanted, fitting });
    }
    let disks = machine.disks.iter();
    let fitting: Vec<&Candidate> = match selection {
        Selection::Path(path) => disks.filter(|disk| disk.names.contains(path)).collect(),
        Selection::Only => disks.filter(|disk| !disk.only_named).collect(),
        Selection::AtLeast(size) => disks.filter(|disk| !disk.only_named && disk.bytes >= *size).collect(),
        Selection::Largest => {
            let fixed = disks.filter(|disk| !disk.only_named);
            let most = fixed.clone().map(|disk| disk.bytes).max();
            fixed.filter(|disk| Some(disk.bytes) == most).collect()
        }
    };
    match fitting.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(none(selection, machine)),
        several => Err(AnswersFileProblem::SeveralDisks {
            wanted,
            fitting: several.iter().map(|disk| disk.title()).collect(),
        }),
    }
}

/// What is wrong where no disk of `machine` is meant.
fn none(selection: &Selection, machine: &ThisMachine) -> AnswersFileProblem {
    let wanted = selection.to_string();
    let mut unusable = machine.unusable.iter();
    match unusable.find(|(names, ..)| matches!(selection, Selection::Path(path) if names.contains(path))) {
        Some((_, disk, why)) => AnswersFileProblem::Unusable {
            wanted,
            disk: disk.clone(),
            why: *why,
        },
        None => AnswersFileProblem::NoDisk {
            wanted,
            disks: machine.disks.iter().map(Candidate::title).collect(),
        },
    }
}

/// The paths of disks.
pub fn paths(disks: &[(Option<String>, Candidate)]) -> impl Iterator<Item = &PathBuf> {
    disks.iter().map(|(_, disk)| &disk.path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::answers_file::parse;
    use crate::diagnostic::{Diagnostic, Unusable};

    fn machine() -> ThisMachine {
        let disk = |path: &str, name: &str, bytes: u64, only_named: bool| Candidate {
            path: path.into(),
            names: vec![Path::new("/dev/disk/by-id").join(name)],
            bytes: bytes * 1_000_000_000,
            model: None,
            only_named,
        };
        ThisMachine {
            serial: Some("PF1".to_owned()),
            uuid: Some("4c4c4544-0042-3510-8053-b4c04f4d3332".to_owned()),
            macs: vec!["52:54:00:12:34:56".to_owned()],
            claimed: BTreeMap::new(),
            unusable: vec![(
                vec!["/dev/disk/by-id/card".into()],
                "/dev/sde".into(),
                Unusable::WriteProtected,
            )],
            disks: vec![
                disk("/dev/sda", "a", 500, false),
                disk("/dev/sdb", "b", 250, false),
                disk("/dev/sdc", "c", 500, false),
                disk("/dev/sdd", "stick", 900, true),
            ],
        }
    }

    fn line_of(text: &str) -> Result<Option<u32>, AnswersFileProblem> {
        entry(parse(text, Path::new("/f.yaml")).unwrap().machines, &machine()).map(|entry| entry.line)
    }

    #[test]
    fn the_entry_that_names_the_machine_is_taken_before_that_for_all() {
        let all = "machines:\n- match: all\n";
        assert_eq!(line_of(all), Ok(Some(2)));
        for matching in [
            "serial: [PF2, PF1]",
            "uuid: 4C4C4544-0042-3510-8053-B4C04F4D3332",
            "mac: 52-54-00-12-34-56",
            "serial: PF1, mac: \"52:54:00:12:34:56\"",
            "serial: pf1",
        ] {
            assert_eq!(
                line_of(&format!("{all}- match: {{ {matching} }}\n")),
                Ok(Some(3)),
                "{matching}"
            );
        }
        // Each kind that is named has to fit.
        let other = "- match: { serial: PF1, mac: \"52:54:00:12:34:57\" }\n";
        assert_eq!(line_of(&format!("{all}{other}")), Ok(Some(2)));
        assert!(matches!(
            line_of(&format!("machines:\n{other}")),
            Err(AnswersFileProblem::NoEntry { .. })
        ));
        let two = "machines:\n- match: { serial: PF1 }\n- match: { mac: 52-54-00-12-34-56 }\n";
        let Err(AnswersFileProblem::SeveralEntries { lines, .. }) = line_of(two) else {
            panic!("one of two was taken");
        };
        assert_eq!(lines, [2, 3]);
    }

    fn chosen(disks: &str) -> Vec<String> {
        let text = format!("machines:\n- match: all\n  disks: {disks}\n");
        let entry = parse(&text, Path::new("/f.yaml")).unwrap().machines.remove(0);
        match super::disks(&entry.disks.unwrap(), &machine()) {
            Ok(found) => paths(&found).map(|path| path.display().to_string()).collect(),
            Err(problems) => problems
                .into_iter()
                .map(|problem| Diagnostic::from(problem).what)
                .collect(),
        }
    }

    #[test]
    fn a_disk_is_meant_only_where_no_other_could_be() {
        for (disks, expected) in [
            ("only", "`only` does not say which disk is meant"),
            ("largest", "`largest` does not say which disk is meant"),
            ("\">= 200 GB\"", "`>= 200.00 GB` does not say which disk is meant"),
            ("\">= 600 GB\"", "This machine has no disk `>= 600.00 GB`"),
            ("/dev/disk/by-id/b", "/dev/sdb"),
            ("/dev/disk/by-id/stick", "/dev/sdd"),
            ("/dev/disk/by-id/z", "This machine has no disk `/dev/disk/by-id/z`"),
            (
                "/dev/disk/by-id/card",
                "The system cannot be installed on `/dev/disk/by-id/card`, which is /dev/sde: it is write-protected",
            ),
        ] {
            assert_eq!(chosen(disks), [expected], "{disks}");
        }
        assert_eq!(
            chosen("{ one: /dev/disk/by-id/a, two: /dev/disk/by-id/c }"),
            ["/dev/sda", "/dev/sdc"]
        );
        assert_eq!(
            chosen("{ one: /dev/disk/by-id/a, two: /dev/disk/by-id/a, three: only }"),
            [
                "`only` does not say which disk is meant",
                "one and two are the same disk: /dev/sda"
            ]
        );
        let mut twins = machine();
        let devices = vec!["/dev/sda".into(), "/dev/sdc".into()];
        twins.claimed = BTreeMap::from([("/dev/disk/by-id/a".into(), devices)]);
        assert!(disk(&Selection::Path("/dev/disk/by-id/a".into()), &twins).is_err());
        let mut one = machine();
        one.disks.remove(2);
        assert_eq!(disk(&Selection::Largest, &one).unwrap().path, Path::new("/dev/sda"));
        one.disks.remove(1);
        assert_eq!(disk(&Selection::Only, &one).unwrap().path, Path::new("/dev/sda"));
    }
}
