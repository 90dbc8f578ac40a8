//! The disks that a person can choose for a layout, with all that tells one from another.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk_contents;
use crate::live::block_devices::{SYS, identity, number};
use crate::live::disk_use::uses;
use crate::live::this_machine::{Candidate, ThisMachine};
use crate::process::Runner;
use crate::text::bytes;

/// A disk, as it is shown. It is the same one, with the same contents, only as long as all of it is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedDisk {
    /// A name that stays when a disk is added or removed, where it has one.
    pub device: String,
    /// The kernel's name, without `/dev/`: what a person types.
    pub name: String,
    /// What tells it from another that gets its names later.
    pub identity: String,
    pub model: String,
    /// `500.11 GB`.
    pub size: String,
    /// What is on it, a line a part; empty only where nothing is.
    pub holds: Vec<String>,
    /// How it is used now, where it is: such a disk cannot be erased.
    pub uses: Vec<String>,
}

/// The disks of this machine: neither the medium of the live system, nor sticks, cards and USB disks, which the command line can name.
#[must_use]
pub fn offered(runner: &Runner) -> Vec<OfferedDisk> {
    let disks = ThisMachine::read(Path::new("/"), None).disks;
    let disks = disks.iter().filter(|disk| !disk.only_named);
    disks.filter_map(|disk| offer(runner, disk)).collect()
}

/// `None` where it has gone.
fn offer(runner: &Runner, disk: &Candidate) -> Option<OfferedDisk> {
    let number = number(&disk.path)?;
    let path = disk.path.to_string_lossy();
    let mut holds = disk_contents::of_device(runner, &path);
    if holds.is_empty() && !is_blank(&disk.path) {
        holds.push(format!("{path} (data of a kind that is not known)"));
    }
    Some(OfferedDisk {
        device: disk.lasting_name(),
        name: path.trim_start_matches("/dev/").to_owned(),
        identity: identity(Path::new(SYS), &number),
        model: disk.model.clone().unwrap_or_else(|| "no name".to_owned()),
        size: bytes(disk.bytes),
        holds,
        uses: uses(&number).iter().map(ToString::to_string).collect(),
    })
}

/// How much of a disk is looked at: a volume without a header that could be recognized begins at once.
const LOOKED_AT: usize = 1 << 20;

/// Whether the disk begins with nothing but zeros. One that cannot be read may hold anything.
fn is_blank(device: &Path) -> bool {
    let mut beginning = vec![0; LOOKED_AT];
    let read = File::open(device).and_then(|file| file.read_exact_at(&mut beginning, 0));
    read.is_ok() && beginning.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_disk_is_blank_only_where_all_of_its_beginning_is_read_and_zero() {
        let directory = tempfile::tempdir().unwrap();
        let disk = directory.path().join("disk");
        assert!(!is_blank(&disk), "it is not there");
        let mut contents = vec![0; 2 * LOOKED_AT];
        fs::write(&disk, &contents).unwrap();
        assert!(is_blank(&disk));
        contents[LOOKED_AT - 1] = 1;
        fs::write(&disk, &contents).unwrap();
        assert!(!is_blank(&disk));
        fs::write(&disk, &contents[..4096]).unwrap();
        assert!(!is_blank(&disk), "it is shorter");
    }
}
