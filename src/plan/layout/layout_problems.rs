//! What keeps a layout for disko from being made.

use std::path::Path;

use super::planned_disks::Fate;
use super::seen_disks::Seen;
use crate::diagnostic::{Diagnostic, DiskProblem, DiskoProblem};
use crate::nix::disko::{Layout, MadeDisk, Mode};

/// All that is wrong with `layout` on the machine that was `seen`.
/// `by_answers`: an answers file asked for it.
pub fn problems(layout: &Layout, (mode, by_answers): (Mode, bool), seen: &Seen, target: &Path) -> Vec<Diagnostic> {
    if layout.disks.is_empty() {
        return vec![DiskoProblem::NoLayout { by_answers }.into()];
    }
    let mut disks: Vec<DiskProblem> = layout.disks.iter().flat_map(|disk| of_disk(disk, mode, seen)).collect();
    if !seen.elsewhere.is_empty() {
        let names = seen.elsewhere.iter().cloned().collect();
        disks.push(DiskProblem::NamesElsewhere { names });
    }
    let shared = seen.shared.clone().into_iter();
    disks.extend(shared.map(|(group, devices)| DiskProblem::SharedGroup { group, devices }));
    let closed = seen.closed.iter().cloned();
    disks.extend(closed.map(|(name, device)| DiskProblem::ClosedVolume { name, device }));
    let known = || layout.disks.iter().map(|disk| disk.name.clone()).collect::<Vec<_>>();
    let mut problems = Vec::new();
    if layout.is_old {
        problems.push(DiskoProblem::OldDisko);
    }
    let unknown = layout.unknown.iter();
    problems.extend(unknown.map(|name| DiskoProblem::UnknownDisk {
        name: name.clone(),
        known: known(),
        by_answers,
    }));
    if seen.target_mounted {
        problems.push(DiskoProblem::TargetMounted {
            target: target.to_owned(),
        });
    }
    if !seen.no_keys.is_empty() {
        problems.push(DiskoProblem::KeyFiles {
            files: seen.no_keys.clone(),
        });
    }
    if !layout.asking_datasets.is_empty() {
        problems.push(DiskoProblem::ZfsAsks {
            datasets: layout.asking_datasets.clone(),
        });
    }
    let disks = disks.into_iter().map(Diagnostic::from);
    disks.chain(problems.into_iter().map(Diagnostic::from)).collect()
}

fn of_disk(disk: &MadeDisk, mode: Mode, seen: &Seen) -> Vec<DiskProblem> {
    let (name, device) = (disk.name.clone(), disk.device.clone());
    let Some(found) = seen.disks.get(&disk.name) else {
        return vec![DiskProblem::NoDisk { name, device }];
    };
    let fate = Fate::of(mode, disk);
    let mut problems = Vec::new();
    // Of two names of one disk, the first.
    let others = found.on.iter().filter(|other| {
        let is_on_this = seen.disks.get(*other).is_some_and(|other| other.on.contains(&name));
        !is_on_this || **other > name
    });
    problems.extend(others.map(|other| DiskProblem::SameDisk {
        names: vec![name.clone(), other.clone()],
        device: device.clone(),
    }));
    if fate != Fate::Kept && !found.uses.is_empty() {
        let (device, by) = (device.clone(), found.uses.clone());
        problems.push(DiskProblem::InUse { device, by });
    }
    if fate == Fate::Erased && !found.is_whole {
        let (name, device) = (name.clone(), device.clone());
        problems.push(DiskProblem::NotWhole { name, device });
    }
    if let Some(kind) = &found.bare
        && fate == Fate::Changed
        && disk.has_table
    {
        let kind = kind.clone();
        problems.push(DiskProblem::NoTable { device, kind });
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::seen_disks::SeenDisk;
    use super::*;
    use crate::diagnostic::DiskUse;

    fn disk(name: &str, destroy: bool) -> MadeDisk {
        MadeDisk {
            name: name.to_owned(),
            device: format!("/dev/{name}"),
            destroy,
            has_table: true,
        }
    }

    fn layout(disks: Vec<MadeDisk>) -> Layout {
        Layout {
            disks,
            ..Layout::default()
        }
    }

    fn codes(layout: &Layout, mode: Mode, seen: &Seen) -> Vec<&'static str> {
        let problems = problems(layout, (mode, false), seen, Path::new("/mnt"));
        problems.iter().map(|problem| problem.code).collect()
    }

    fn seen(disks: impl IntoIterator<Item = (&'static str, SeenDisk)>) -> Seen {
        Seen {
            disks: disks.into_iter().map(|(name, disk)| (name.to_owned(), disk)).collect(),
            ..Seen::default()
        }
    }

    fn whole() -> SeenDisk {
        SeenDisk {
            is_whole: true,
            ..SeenDisk::default()
        }
    }

    #[test]
    fn who_wrote_an_answers_file_is_not_told_of_options() {
        let unknown = Layout {
            unknown: vec!["data".to_owned()],
            ..layout(vec![disk("main", true)])
        };
        for (layout, expected) in [
            (layout(Vec::new()), "`disks: only`"),
            (unknown, "`disks: { NAME: DISK }`"),
        ] {
            let remedies = |by_answers| {
                let problems = problems(
                    &layout,
                    (Mode::Wipe, by_answers),
                    &seen([("main", whole())]),
                    Path::new("/mnt"),
                );
                problems.into_iter().map(|problem| problem.remedy).collect::<String>()
            };
            assert!(
                remedies(true).contains(expected) && !remedies(true).contains("--disk"),
                "{}",
                remedies(true)
            );
            assert!(remedies(false).contains("--disk"), "{}", remedies(false));
        }
    }

    #[test]
    fn a_disk_whose_contents_are_no_partitions_is_not_given_a_table_unless_it_is_erased() {
        let bare = || SeenDisk {
            bare: Some("crypto_LUKS".to_owned()),
            ..whole()
        };
        let main = layout(vec![disk("main", true)]);
        let of = |mode| codes(&main, mode, &seen([("main", bare())]));
        assert_eq!(of(Mode::Wipe), [""; 0]);
        assert_eq!(of(Mode::Format), ["disko-no-table"]);
        assert_eq!(of(Mode::Mount), [""; 0]);
        let kept = layout(vec![disk("main", false)]);
        assert_eq!(codes(&kept, Mode::Wipe, &seen([("main", bare())])), ["disko-no-table"]);
    }

    #[test]
    fn what_disko_does_not_wipe_is_not_said_to_be_erased() {
        let main = layout(vec![disk("main", true)]);
        let part = || seen([("main", SeenDisk::default())]);
        assert_eq!(codes(&main, Mode::Wipe, &part()), ["disko-disk-not-whole"]);
        assert_eq!(codes(&main, Mode::Format, &part()), [""; 0]);
    }

    #[test]
    fn one_disk_or_a_part_of_it_is_not_two_disks_of_the_layout() {
        let two = layout(vec![disk("a", true), disk("b", true)]);
        let on = |other: &str| SeenDisk {
            on: vec![other.to_owned()],
            ..whole()
        };
        assert_eq!(
            codes(&two, Mode::Wipe, &seen([("a", on("b")), ("b", on("a"))])),
            ["disko-disk-twice"]
        );
        assert_eq!(
            codes(&two, Mode::Wipe, &seen([("a", whole()), ("b", on("a"))])),
            ["disko-disk-twice"]
        );
        assert_eq!(
            codes(&two, Mode::Wipe, &seen([("a", whole()), ("b", whole())])),
            [""; 0]
        );
    }

    #[test]
    fn everything_is_reported_at_once() {
        let used = SeenDisk {
            uses: vec![DiskUse::Swap("/dev/main2".into())],
            ..whole()
        };
        let all = Seen {
            elsewhere: [("pool".to_owned(), "/dev/sdc1".into())].into(),
            shared: BTreeMap::from([("data".to_owned(), vec!["/dev/sdd1".into()])]),
            closed: vec![("crypted".to_owned(), "/dev/main2".to_owned())],
            no_keys: vec!["/tmp/key".to_owned()],
            target_mounted: true,
            ..seen([("main", used)])
        };
        let layout = Layout {
            asking_datasets: vec!["tank/root".to_owned()],
            ..layout(vec![disk("main", true), disk("more", true)])
        };
        let expected = [
            "disko-disk-in-use",
            "disko-disk-absent",
            "disko-names-elsewhere",
            "disko-shared-group",
            "disko-volume-closed",
            "disko-target-mounted",
            "disko-key-files",
            "disko-zfs-asks",
        ];
        assert_eq!(codes(&layout, Mode::Wipe, &all), expected);
    }
}
