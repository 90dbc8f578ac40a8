//! The squashfs image that the live store is mounted from, read without the kernel: its reader has one decompressor for
//! all, copies every block twice, and unpacks a block of small files again for each reader that comes by.
//!
//! Only what a NixOS ISO's image has is understood (squashfs 4.0 with zstd: folders, files, links); anything else is an
//! error, and the caller reads the mounted store instead. The format: Documentation/filesystems/squashfs.rst of Linux 6.12
//! and `fs/squashfs/squashfs_fs.h` there. Nothing that the image says is trusted: a flipped bit can be anywhere.

mod inode;
mod metadata;
mod reader;

use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail, ensure};
use nix::sys::stat::{major, minor};

use super::source::{Kind, Tree};
use crate::mounts;
pub use reader::Reader;

/// Where a NixOS live system mounts it (nixpkgs 24.05, nixos/modules/installer/cd-dvd/iso-image.nix).
const MOUNT_POINT: &str = "/nix/.ro-store";

const SUPERBLOCK: usize = 96;
const MAGIC: u32 = 0x7371_7368;
const ZSTD: u16 = 6;

/// An image, for any number of readers.
pub struct Image {
    file: File,
    block_size: u32,
    inode_count: u32,
    inodes: u64,
    folders: u64,
    fragment_table: u64,
    fragment_count: u32,
    fragments: Mutex<VecDeque<(u32, Arc<Vec<u8>>)>>,
    paths: HashMap<OsString, u64>,
}

impl Image {
    /// The image of the live system's store, where it is one that this module understands.
    #[must_use]
    pub fn of_live_store() -> Option<Self> {
        let mount = mounts::at(Path::new(MOUNT_POINT)).filter(|mount| mount.kind == "squashfs")?;
        let opened = File::open(&mount.source).map_err(anyhow::Error::from).and_then(|file| {
            let found = file.metadata()?.rdev();
            let found = format!("{}:{}", major(found), minor(found));
            ensure!(found == mount.number, "it is another device");
            Self::open(file)
        });
        let device = mount.source.display();
        match opened {
            Ok(image) => {
                log::debug!("reading {device} without the kernel's squashfs");
                Some(image)
            }
            Err(error) => {
                log::debug!("{device} is read through the kernel's squashfs: {error:#}");
                None
            }
        }
    }

    /// Reads the superblock and the names at the top of `file`.
    ///
    /// # Errors
    /// When it is not a squashfs that this module understands, or cannot be read.
    pub fn open(file: File) -> Result<Self> {
        let mut bytes = [0; SUPERBLOCK];
        file.read_exact_at(&mut bytes, 0)?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let block_size = u32_at(12);
        ensure!(
            u32_at(0) == MAGIC && (u16_at(28), u16_at(30)) == (4, 0),
            "not a squashfs 4.0"
        );
        ensure!(u16_at(20) == ZSTD, "it is not compressed with zstd");
        ensure!(
            block_size.is_power_of_two() && (4096..=1 << 20).contains(&block_size),
            "a block size of {block_size}"
        );
        let mut image = Self {
            file,
            block_size,
            inode_count: u32_at(4),
            inodes: u64_at(64),
            folders: u64_at(72),
            fragment_table: u64_at(80),
            fragment_count: u32_at(16),
            fragments: Mutex::default(),
            paths: HashMap::new(),
        };
        let mut reader = image.reader()?;
        let Kind::Folder(entries) = reader.look(&u64_at(32))? else {
            bail!("its top is not a folder");
        };
        image.paths = entries.into_iter().collect();
        Ok(image)
    }

    /// One reader, for one thread.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn reader(&self) -> Result<Reader<'_>> {
        Reader::new(self)
    }

    /// How many files, folders and links there are in all.
    #[must_use]
    pub fn inodes(&self) -> u64 {
        self.inode_count.into()
    }

    /// The names at the top, with their nodes: the store paths, and on an ISO `nix-path-registration`.
    pub fn top(&self) -> impl Iterator<Item = (&OsStr, u64)> {
        self.paths.iter().map(|(name, node)| (name.as_os_str(), *node))
    }

    /// The node of a store path, given as `/nix/store/…`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<u64> {
        let name = Path::new(path).file_name()?;
        self.paths.get(name).copied()
    }
}
