//! How much room files take on a file system: more than their bytes if many are small.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::statfs::{EXT4_SUPER_MAGIC, FsType, XFS_SUPER_MAGIC, statfs};
use nix::sys::statvfs::{Statvfs, statvfs};
use walkdir::{DirEntry, WalkDir};

use super::database::Record;
use super::live_image::StoreImage;
use crate::tree::extra_files::{ExtraFile, Kind};

/// The room that files and directories take.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of whole blocks.
    pub bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
}

impl Room {
    /// What is left of it when `taken` is used.
    #[must_use]
    pub fn without(self, taken: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(taken.bytes),
            entries: self.entries.saturating_sub(taken.entries),
        }
    }
}

/// How a file system allocates room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allocation {
    /// In whole blocks; a link of fewer than 60 bytes is in its inode (ext4: Documentation/filesystems/ext4/inodes.rst of Linux
    /// 6.12). The inodes have their room already.
    Ext4,
    /// In whole blocks; a small directory and a link are in their inode, which takes 512 bytes (mkfs.xfs(8)).
    Xfs,
    /// Others put small files together or compress them (btrfs, zfs, bcachefs): nothing is known beyond the bytes.
    Other,
}

/// How a file system allocates room, with its block size in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Grain {
    kind: Allocation,
    block: u64,
}

/// What files take that are given whole blocks, by the bytes of their NARs: a server of nixpkgs 26.11 with its nixpkgs has NARs of
/// 936 MB, and takes 1,247 MB on ext4.
const OF_NARS: (u64, u64) = (4, 3);

const XFS_INODE: u64 = 512;

/// The longest link that is in an inode of ext4.
const EXT4_LINK: u64 = 59;

/// What a directory's listing may be for XFS to have it in an inode of 512 bytes, without the inode's own 176.
const XFS_LISTING: u64 = 336;

/// A directory's entry has its name and eight bytes, at a multiple of four, in ext4; at least as much in XFS.
const ENTRY: u64 = 8;

impl Grain {
    /// What a disk has that is not partitioned yet: the installer offers ext4.
    pub const EXPECTED: Self = Self {
        kind: Allocation::Ext4,
        block: 4096,
    };

    /// Of the file system at `place`, which need not exist yet.
    pub fn of(place: &Path) -> Result<Self> {
        let block = file_system(place)?.fragment_size();
        let there = place.ancestors().find(|directory| directory.exists()).unwrap_or(place);
        let kind: FsType = statfs(there)
            .with_context(|| format!("Failed to look at the file system of {}", there.display()))?
            .filesystem_type();
        let kind = match kind {
            EXT4_SUPER_MAGIC => Allocation::Ext4,
            XFS_SUPER_MAGIC => Allocation::Xfs,
            _ => Allocation::Other,
        };
        Ok(Self { kind, block })
    }

    fn blocks(self, bytes: u64) -> u64 {
        bytes.div_ceil(self.block) * self.block
    }

    /// Never less than what `entries` with so many bytes take, without looking at them. `bytes`: of their NARs, which have the
    /// names in the directories as well.
    #[must_use]
    pub fn most(self, bytes: u64, entries: u64) -> Room {
        let each = match self.kind {
            Allocation::Ext4 => self.block,
            Allocation::Xfs => self.block + XFS_INODE,
            Allocation::Other => 0,
        };
        Room {
            bytes: bytes + entries * each,
            entries,
        }
    }

    /// The bytes that files are expected to take that are not here yet, of which only the `bytes` of their NARs are known.
    #[must_use]
    pub fn of_nars(self, bytes: u64) -> u64 {
        let (take, of) = OF_NARS;
        match self.kind {
            Allocation::Ext4 | Allocation::Xfs => bytes * take / of,
            Allocation::Other => bytes,
        }
    }

    /// What the file or directory at `path` takes with all that is in it. Looking at every entry of a medium takes seconds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn room(self, path: &Path) -> Result<Room> {
        let mut room = Room::default();
        // Of each directory on the way to the current entry, the bytes of its listing.
        let mut listings: Vec<u64> = Vec::new();
        // A store path can be a link, also to nowhere.
        let mut entries = WalkDir::new(path).follow_root_links(false).into_iter();
        while let Some(entry) = entries
            .next()
            .transpose()
            .with_context(|| format!("Failed to read {}", path.display()))?
        {
            let meta = entry
                .metadata()
                .with_context(|| format!("Failed to read {}", entry.path().display()))?;
            room.entries += 1;
            room.bytes += self.leave(&mut listings, entry.depth());
            if let Some(listing) = listings.last_mut() {
                *listing += ENTRY + (name_length(&entry)).next_multiple_of(4);
            }
            if meta.is_dir() {
                listings.push(0);
            } else {
                room.bytes += self.file(&meta);
            }
        }
        room.bytes += self.leave(&mut listings, 0);
        Ok(room)
    }

    /// The directories that are left when the next entry is at `depth`.
    fn leave(self, listings: &mut Vec<u64>, depth: usize) -> u64 {
        let left = listings.split_off(depth.min(listings.len()));
        left.into_iter().map(|listing| self.directory(listing)).sum()
    }

    fn directory(self, listing: u64) -> u64 {
        match self.kind {
            Allocation::Xfs if listing <= XFS_LISTING => XFS_INODE,
            Allocation::Xfs => XFS_INODE + self.blocks(listing),
            // With itself and the directory above it.
            Allocation::Ext4 => self.blocks(listing + 24),
            Allocation::Other => 0,
        }
    }

    fn file(self, meta: &Metadata) -> u64 {
        let size = meta.size();
        match self.kind {
            Allocation::Ext4 if meta.is_symlink() && size <= EXT4_LINK => 0,
            Allocation::Ext4 => self.blocks(size),
            Allocation::Xfs if meta.is_symlink() && size <= XFS_LISTING => XFS_INODE,
            Allocation::Xfs => XFS_INODE + self.blocks(size),
            Allocation::Other => size,
        }
    }

    /// What `records` of the live system's store take. They are looked at only where there might be more than `free`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of_records(self, image: Option<&StoreImage>, records: &[&Record], free: Room) -> Result<Room> {
        let bytes = records.iter().map(|record| record.nar_size).sum();
        if let Some(image) = image {
            let outside = records.iter().filter(|record| image.find(&record.path).is_none());
            let outside = outside.map(|record| Ok(self.room(Path::new(&record.path))?.entries));
            let most = self.most(bytes, image.inodes() + outside.sum::<Result<u64>>()?);
            if most.bytes <= free.bytes && most.entries <= free.entries {
                return Ok(most);
            }
        }
        let rooms = records.iter().map(|record| self.room(Path::new(&record.path)));
        let mut sum = Room::default();
        for room in rooms {
            let room = room?;
            sum.bytes += room.bytes;
            sum.entries += room.entries;
        }
        if self.kind == Allocation::Other {
            sum.bytes = bytes;
        }
        Ok(sum)
    }
}

/// What `files` take, which are in `source`, on a file system that allocates room as `grain` says.
///
/// # Errors
/// When one cannot be read.
pub fn of_extra_files(files: &[&ExtraFile], source: &Path, grain: Grain) -> Result<Room> {
    let mut sum = Room::default();
    for file in files {
        let room = match file.kind {
            Kind::Directory(_) => grain.most(0, 1),
            Kind::File | Kind::Link => grain.room(&source.join(&file.path))?,
        };
        sum.bytes += room.bytes;
        sum.entries += room.entries;
    }
    Ok(sum)
}

/// What is free at `place`, which need not be there yet: the store of a target can be on another disk than its root. Some
/// file systems have no fixed number of files.
pub fn free(place: &Path) -> Result<Room> {
    let fs = file_system(place)?;
    Ok(Room {
        bytes: fs.blocks_available() * fs.fragment_size(),
        entries: if fs.files() == 0 { u64::MAX } else { fs.files_free() },
    })
}

fn file_system(place: &Path) -> Result<Statvfs> {
    let there = place.ancestors().find(|directory| directory.exists()).unwrap_or(place);
    statvfs(there).with_context(|| format!("Failed to look at the file system of {}", there.display()))
}

fn name_length(entry: &DirEntry) -> u64 {
    entry.file_name().len() as u64
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_entry_takes_whole_blocks_and_a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("path");
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::write(path.join("empty"), "").unwrap();
        fs::write(path.join("one"), "x").unwrap();
        fs::write(path.join("sub/two-blocks"), [0; 5000]).unwrap();
        symlink("one", path.join("short")).unwrap();
        symlink("x".repeat(80), path.join("long")).unwrap();
        let room = |kind, path: &Path| {
            let room = Grain { kind, block: 4096 }.room(path).unwrap();
            (room.bytes, room.entries)
        };
        // Two directories, one block, two blocks, and the long link.
        assert_eq!(room(Allocation::Ext4, &path), (6 * 4096, 7));
        // Three blocks, and an inode for each.
        assert_eq!(room(Allocation::Xfs, &path), (3 * 4096 + 7 * 512, 7));
        let nowhere = directory.path().join("nowhere");
        symlink("/nowhere", &nowhere).unwrap();
        assert_eq!(room(Allocation::Ext4, &nowhere), (0, 1));
        symlink(&path, directory.path().join("there")).unwrap();
        assert_eq!(room(Allocation::Xfs, &directory.path().join("there")), (512, 1));
        // Never more than the bound that is taken without looking.
        let most = Grain::EXPECTED.most(5001, 7);
        assert!(most.bytes >= 6 * 4096, "{most:?}");
    }

    #[test]
    fn a_directory_of_many_names_takes_more_than_one_block() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..400 {
            fs::write(directory.path().join(format!("a-file-{number:03}")), "").unwrap();
        }
        // 400 entries of 20 bytes.
        let room = Grain::EXPECTED.room(directory.path()).unwrap();
        assert_eq!((room.bytes, room.entries), (2 * 4096, 401));
    }
}
