//! What is on disks that can hold a system, and which of it fstab(5) means by a name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::block_devices::{SYS, node, number, parts};
use crate::process::{Invocation, Runner};

/// What a disk, its partitions, and what is made of these have.
#[derive(Debug, Clone)]
pub struct Volume {
    pub device: PathBuf,
    /// The disk that it is on.
    pub disk: PathBuf,
    /// What blkid knows: `TYPE`, `UUID`, `PART_ENTRY_UUID`, …
    tags: BTreeMap<String, String>,
}

impl Volume {
    /// Reads what is on `device`, which is on `disk`.
    ///
    /// # Errors
    /// When blkid cannot be run.
    pub fn read(runner: &Runner, device: PathBuf, disk: &Path) -> Result<Self> {
        let probe = Invocation::new("blkid")
            .args(["--probe", "--output", "export"])
            .arg(&device);
        // It fails where nothing is.
        let probed = runner.run(&probe, &mut |_, _| {})?;
        let text = probed.text().unwrap_or_default();
        let tag = |line: &str| {
            let (key, value) = line.split_once('=')?;
            Some((key.to_owned(), value.replace('\\', "")))
        };
        let tags = text.lines().filter_map(tag).collect();
        let disk = disk.to_owned();
        Ok(Self { device, disk, tags })
    }

    /// What is on it, in the word of blkid: `ext4`, `crypto_LUKS`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.tags.get("TYPE").map(String::as_str)
    }

    /// The name under which an encrypted one is usually opened; `None`: it is none.
    #[must_use]
    pub fn mapping(&self) -> Option<String> {
        let is_encrypted = self.kind() == Some("crypto_LUKS");
        self.tags
            .get("UUID")
            .filter(|_| is_encrypted)
            .map(|uuid| format!("luks-{uuid}"))
    }

    /// Whether it holds the memory of a system that is resumed at the next start. That remembers its file systems as they were.
    #[must_use]
    pub fn is_memory_image(&self) -> bool {
        self.kind() == Some("swsuspend")
    }

    /// Whether both are of one file system that is on several devices.
    #[must_use]
    pub fn is_part_of_same(&self, other: &Self) -> bool {
        let same = |tag: &str| self.tags.get(tag) == other.tags.get(tag);
        self.tags.contains_key("UUID_SUB") && same("UUID") && !same("UUID_SUB")
    }

    /// Whether fstab(5) means it by `name`.
    fn is_named(&self, name: &str) -> bool {
        let tagged = TAGS.iter().find_map(|(tag, link, key)| {
            let value = name.strip_prefix(tag).or_else(|| name.strip_prefix(link))?;
            Some((key, value.trim_matches('"').replace("\\x20", " ")))
        });
        match tagged {
            Some((key, value)) => self.tags.get(*key).is_some_and(|own| own.eq_ignore_ascii_case(&value)),
            None => number(name).is_some_and(|one| number(&self.device) == Some(one)),
        }
    }
}

/// What is on `disks`.
///
/// # Errors
/// When blkid cannot be run.
pub fn volumes(runner: &Runner, disks: &[PathBuf]) -> Result<Vec<Volume>> {
    let mut known = BTreeSet::new();
    let mut volumes = Vec::new();
    for disk in disks {
        let made = number(disk)
            .map(|disk| parts(Path::new(SYS), &disk))
            .unwrap_or_default();
        let made = made.iter().filter_map(|one| node(Path::new(SYS), one));
        for device in std::iter::once(disk.clone()).chain(made) {
            if number(&device).is_some_and(|number| known.insert(number)) {
                volumes.push(Volume::read(runner, device, disk)?);
            }
        }
    }
    Ok(volumes)
}

/// How fstab(5) names a volume by what it has: in a word, by a link, and what blkid calls it.
const TAGS: [(&str, &str, &str); 4] = [
    ("UUID=", "/dev/disk/by-uuid/", "UUID"),
    ("LABEL=", "/dev/disk/by-label/", "LABEL"),
    ("PARTUUID=", "/dev/disk/by-partuuid/", "PART_ENTRY_UUID"),
    ("PARTLABEL=", "/dev/disk/by-partlabel/", "PART_ENTRY_NAME"),
];

/// Whether fstab(5) means a device by `name`, and not a server, a file or a program.
#[must_use]
pub fn is_device_name(name: &str) -> bool {
    name.starts_with("/dev/") || TAGS.iter().any(|(tag, ..)| name.starts_with(tag))
}

/// The only one of `volumes` that the system on `disk` means by `name`. One on that disk is meant rather than one on another, which may be a
/// copy or the disk of another machine.
///
/// # Errors
/// All that could be meant: several on the disk, or none there and several on others.
pub fn named<'a>(volumes: &'a [Volume], name: &str, disk: &Path) -> Result<Option<&'a Volume>, Vec<PathBuf>> {
    let (own, others): (Vec<&Volume>, Vec<&Volume>) = volumes
        .iter()
        // What is in an encrypted one can have the same label, and only that can be mounted.
        .filter(|volume| volume.is_named(name) && volume.mapping().is_none())
        .partition(|volume| volume.disk == disk);
    let found = if own.is_empty() { others } else { own };
    match found.split_first() {
        Some((first, more)) if more.iter().all(|other| other.is_part_of_same(first)) => Ok(Some(first)),
        Some(_) => Err(found.iter().map(|volume| volume.device.clone()).collect()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(disk: &str, part: u8, tags: &[(&str, &str)]) -> Volume {
        Volume {
            device: format!("{disk}{part}").into(),
            disk: disk.into(),
            tags: tags
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn a_volume_is_found_by_each_of_its_names() {
        let tags = [
            ("UUID", "5F3A-11"),
            ("LABEL", "my root"),
            ("PART_ENTRY_NAME", "disk-main-root"),
        ];
        let volume = volume("/dev/none", 1, &tags);
        for name in [
            "/dev/disk/by-uuid/5F3A-11",
            "UUID=5f3a-11",
            "UUID=\"5F3A-11\"",
            "/dev/disk/by-label/my\\x20root",
            "LABEL=my root",
            "/dev/disk/by-partlabel/disk-main-root",
        ] {
            assert!(volume.is_named(name), "{name}");
        }
        for name in [
            "/dev/disk/by-uuid/5F3A-12",
            "/dev/disk/by-label/5F3A-11",
            "PARTUUID=5F3A-11",
            "/dev/none2",
            "tmpfs",
            "/",
        ] {
            assert!(!volume.is_named(name), "{name}");
        }
    }

    #[test]
    fn of_volumes_with_one_label_that_of_the_systems_own_disk_is_meant() {
        let boot = [("LABEL", "boot")];
        let all = [
            volume("/dev/other", 1, &boot),
            volume("/dev/own", 1, &boot),
            volume("/dev/third", 1, &boot),
        ];
        let on = |disk: &str, volumes: &[Volume]| {
            let found = named(volumes, "LABEL=boot", Path::new(disk));
            found.map(|volume| volume.map(|volume| volume.device.display().to_string()))
        };
        assert_eq!(on("/dev/own", &all), Ok(Some("/dev/own1".to_owned())));
        assert_eq!(on("/dev/own", &all[..1]), Ok(Some("/dev/other1".to_owned())));
        assert_eq!(on("/dev/own", &[]), Ok(None));
        let ambiguous = Err(vec!["/dev/other1".into(), "/dev/third1".into()]);
        assert_eq!(on("/dev/none", &[all[0].clone(), all[2].clone()]), ambiguous);
        let twice = [all[1].clone(), volume("/dev/own", 2, &boot)];
        assert_eq!(
            on("/dev/own", &twice),
            Err(vec!["/dev/own1".into(), "/dev/own2".into()])
        );
    }

    #[test]
    fn what_is_in_an_encrypted_volume_is_meant_and_not_the_volume() {
        let tags = [("LABEL", "root"), ("UUID", "1"), ("TYPE", "crypto_LUKS")];
        let all = [
            volume("/dev/own", 1, &tags),
            volume("/dev/own", 2, &[("LABEL", "root"), ("TYPE", "ext4")]),
        ];
        let found = named(&all, "LABEL=root", Path::new("/dev/own")).unwrap();
        assert_eq!(found.unwrap().device, Path::new("/dev/own2"));
        assert!(named(&all[..1], "LABEL=root", Path::new("/dev/own")).unwrap().is_none());
    }

    #[test]
    fn the_devices_of_one_file_system_are_not_several() {
        let part = |disk, own| volume(disk, 1, &[("UUID", "1"), ("UUID_SUB", own)]);
        let found = |volumes: &[Volume]| {
            named(volumes, "UUID=1", Path::new("/dev/none")).map(|found| found.map(|volume| volume.disk.clone()))
        };
        assert_eq!(
            found(&[part("/dev/a", "a"), part("/dev/b", "b")]),
            Ok(Some("/dev/a".into()))
        );
        // A copy.
        found(&[part("/dev/a", "a"), part("/dev/b", "a")]).unwrap_err();
    }
}
