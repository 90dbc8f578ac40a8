//! What is mounted, and mounting it again the same way.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};
use serde::{Deserialize, Serialize};

/// One line of `/proc/self/mountinfo` (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The device's number, `MAJOR:MINOR`: only of this boot.
    #[serde(skip)]
    pub number: String,
    /// The device, or a word that stands for it.
    pub source: PathBuf,
    /// Which part of the file system: `/`, or a directory of it.
    pub part: PathBuf,
    /// Where.
    pub at: PathBuf,
    /// The file system's type.
    pub kind: String,
    /// The options of this mount (`rw,noatime`), and those of its file system (`fmask=0077`, `compress=zstd:3`,
    /// `subvol=/home`), as `mount -o` takes them.
    pub options: String,
}

impl Mount {
    /// Whether the kernel reads it from a block device.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        fs::metadata(&self.source).is_ok_and(|meta| meta.file_type().is_block_device())
    }

    /// Whether it is all of the file system, or of a subvolume. What is another part was bound there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.part == Path::new("/") || self.subvolume().map(Path::new) == Some(&self.part)
    }

    /// The subvolume as the kernel names it: `/home`, or `/` for the top level.
    #[must_use]
    pub fn subvolume(&self) -> Option<&str> {
        self.options
            .split(',')
            .find_map(|option| option.strip_prefix("subvol="))
    }
}

/// Everything that is mounted at `root` or below it, in the order in which it was mounted.
#[must_use]
pub fn below(root: &Path) -> Vec<Mount> {
    let Ok(root) = fs::canonicalize(root) else {
        return Vec::new();
    };
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = text.lines().filter_map(parse);
    mounts.filter(|mount| mount.at.starts_with(&root)).collect()
}

/// What is mounted exactly at `path`, the last where it is several; bind mounts count.
#[must_use]
pub fn at(path: &Path) -> Option<Mount> {
    let real = fs::canonicalize(path).ok()?;
    below(&real).into_iter().rfind(|mount| mount.at == real)
}

/// The file system that `path` is on, or will be when it is made.
#[must_use]
pub fn holder(path: &Path) -> Option<Mount> {
    let real = path
        .ancestors()
        .find_map(|directory| fs::canonicalize(directory).ok())?;
    let all = below(Path::new("/")).into_iter();
    let above = all.filter(|mount| real.starts_with(&mount.at));
    // Of several at one place, the last.
    above.max_by_key(|mount| mount.at.components().count())
}

/// The mount point of the file system that `path` is on, where it is read-only.
#[must_use]
pub fn read_only(path: &Path) -> Option<PathBuf> {
    let is_read_only = statvfs(path).ok()?.flags().contains(FsFlags::ST_RDONLY);
    is_read_only.then(|| holder(path))?.map(|mount| mount.at)
}

/// Those of `mounts` that are disks: what the kernel provides is mounted by who needs it.
#[must_use]
pub fn disks(mounts: Vec<Mount>) -> Vec<Mount> {
    let is_disk = |mount: &Mount| mount.is_on_disk() && mount.is_whole();
    mounts.into_iter().filter(is_disk).collect()
}

fn parse(line: &str) -> Option<Mount> {
    let (first, second) = line.split_once(" - ")?;
    let mut first = first.split(' ').skip(2);
    let (number, part, at, options) = (first.next()?, first.next()?, first.next()?, first.next()?);
    let mut second = second.split(' ');
    let (kind, source) = (second.next()?, second.next()?);
    // A file system has to show all options that are not its default, in a form that it also takes (`show_options` in the
    // kernel's Documentation/filesystems/vfs.rst). Only SELinux adds a word that mount(8) does not know.
    let of_file_system = second.next()?.split(',');
    let of_file_system = of_file_system.filter(|option| !["rw", "seclabel"].contains(option));
    let options: Vec<&str> = std::iter::once(options).chain(of_file_system).collect();
    Some(Mount {
        number: number.to_owned(),
        source: unescape(source),
        part: unescape(part),
        at: unescape(at),
        kind: kind.to_owned(),
        options: unescape(&options.join(",")).to_string_lossy().into_owned(),
    })
}

/// The kernel writes these four characters in octal.
fn unescape(text: &str) -> PathBuf {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_a_mount_point_and_a_directory_in_it_is_not() {
        assert_eq!(at(Path::new("/proc")).expect("it is mounted").kind, "proc");
        assert_eq!(at(Path::new("/proc/self")), None);
        assert!(disks(below(Path::new("/proc"))).is_empty());
        assert_eq!(
            holder(Path::new("/proc/self/not/yet")).expect("it is mounted").kind,
            "proc"
        );
    }

    #[test]
    fn what_closes_the_boot_partition_to_others_is_kept() {
        let line = "40 29 8:1 / /mnt/boot rw,relatime - vfat /dev/sda1 rw,fmask=0077,dmask=0077,codepage=437,errors=remount-ro";
        let options = parse(line).unwrap().options;
        assert_eq!(
            options,
            "rw,relatime,fmask=0077,dmask=0077,codepage=437,errors=remount-ro"
        );
        let line = "40 29 8:2 / /mnt ro - ext4 /dev/sda2 rw,seclabel";
        assert_eq!(parse(line).unwrap().options, "ro");
    }

    #[test]
    fn a_subvolume_and_a_name_with_a_space_are_kept() {
        let line = r"90 29 0:45 /@home /mnt/my\040home rw,noatime shared:1 - btrfs /dev/vda2 rw,space_cache,subvolid=257,subvol=/@home";
        assert_eq!(
            parse(line),
            Some(Mount {
                number: "0:45".to_owned(),
                source: "/dev/vda2".into(),
                part: "/@home".into(),
                at: "/mnt/my home".into(),
                kind: "btrfs".to_owned(),
                options: "rw,noatime,space_cache,subvolid=257,subvol=/@home".to_owned(),
            })
        );
        assert_eq!(parse("nonsense"), None);
    }
}
