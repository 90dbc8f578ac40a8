//! How far an earlier run with the same answers file came, by the marks on the disks.

use std::path::Path;

use anyhow::{Context, Result};

use crate::answers_file::Entry;
use crate::diagnostic::{AnswersFileProblem, Diagnostic};
use crate::live::decisions::Firmware;
use crate::live::disk_mark::{self, IsoIdentity, Stage};
use crate::live::matched;
use crate::live::this_machine::{Candidate, LIVE};

/// What the disks are marked with when their file systems are made, and when the system is installed; and whether all of them are
/// marked as made. One on which a system is installed, from this ISO or from another, is a problem.
pub fn marks(
    chosen: &[(Option<String>, Candidate)],
    entry: &Entry,
    problems: &mut Vec<Diagnostic>,
) -> Result<(String, String, bool)> {
    let identity = IsoIdentity::read(Path::new(LIVE)).context("Failed to read the ISO")?;
    let what = what_is_made(entry, Firmware::of(Path::new(LIVE)));
    let (made, installed) = (identity.guid(Stage::Made(&what)), identity.guid(Stage::Installed));
    let mut is_made = !chosen.is_empty();
    for disk in matched::paths(chosen) {
        let found = disk_mark::read(disk).with_context(|| format!("Failed to read {}", disk.display()))?;
        let is = |mark| {
            found
                .as_ref()
                .is_some_and(|found| *found == disk_mark::in_table(mark, found))
        };
        is_made &= is(&made);
        if found.as_deref().is_some_and(disk_mark::is_installed) && !entry.reinstall {
            let (disk, by_this) = (disk.clone(), is(&installed));
            problems.push(AnswersFileProblem::Installed { disk, by_this }.into());
        }
    }
    Ok((made, installed, is_made))
}

/// What is to be on the disks. An unfinished installation of something else is not continued.
fn what_is_made(entry: &Entry, firmware: Firmware) -> String {
    [
        entry.host.as_deref().unwrap_or_default(),
        &entry.disks.as_ref().map(ToString::to_string).unwrap_or_default(),
        if entry.passphrase.is_some() { "encrypted" } else { "" },
        // It decides the partitions of the plain layout.
        match firmware {
            Firmware::Efi => "UEFI",
            Firmware::Bios => "BIOS",
        },
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers_file::parse;

    #[test]
    fn an_unfinished_installation_is_continued_only_where_the_same_is_to_be_made() {
        let what = |keys: &str, firmware| {
            let text = format!("machines:\n- match: all\n  {keys}\n");
            let answers = parse(&text, Path::new("/f.yaml")).unwrap();
            what_is_made(&answers.machines[0], firmware)
        };
        let first = what("disks: only", Firmware::Efi);
        assert_eq!(first, what("disks: only\n  after: reboot", Firmware::Efi));
        for (keys, firmware) in [
            ("disks: only", Firmware::Bios),
            ("disks: largest", Firmware::Efi),
            ("disks: only\n  host: pupil", Firmware::Efi),
            ("disks: only\n  passphrase: prompt", Firmware::Efi),
        ] {
            assert_ne!(first, what(keys, firmware), "{keys} {firmware:?}");
        }
    }
}
