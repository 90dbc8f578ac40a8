//! The squashfs image that the live store is mounted from, read without the kernel: its reader has one decompressor for
//! all, copies every block twice, and unpacks a block of small files again for each reader that comes by.
//!
//! What `squashfs_image` does not read is an error, and the caller reads the mounted store instead.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::stat::{major, minor};
use squashfs_image::{FileType, InodeRef, Reader};

use super::contents::{Contents, NodeKind, Unreadable};
use crate::live::mounts;

/// Where a NixOS live system mounts it (nixpkgs 24.05, nixos/modules/installer/cd-dvd/iso-image.nix).
pub const MOUNT_POINT: &str = "/nix/.ro-store";

/// An image of a store, for any number of readers.
pub struct StoreImage {
    image: squashfs_image::Image<File>,
    paths: HashMap<OsString, InodeRef>,
}

impl StoreImage {
    /// The image of the live system's store, where it is one that can be read.
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
    /// When it is not a squashfs that can be read.
    pub fn open(file: File) -> Result<Self> {
        let image = squashfs_image::Image::open(file)?;
        let mut reader = image.reader()?;
        let root = reader.inode(image.root())?;
        let entries = reader.entries(&root)?.into_iter();
        let paths = entries.map(|entry| (OsString::from_vec(entry.name), entry.node));
        Ok(Self {
            paths: paths.collect(),
            image,
        })
    }

    /// One reader, for one thread.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn reader(&self) -> Result<Reader<'_>> {
        Ok(self.image.reader()?)
    }

    /// How many files, directories and links there are in all.
    #[must_use]
    pub fn inodes(&self) -> u64 {
        self.image.inode_count().into()
    }

    /// The names at the top, with their nodes: the store paths, and on an ISO `nix-path-registration`.
    pub fn top(&self) -> impl Iterator<Item = (&OsStr, InodeRef)> {
        self.paths.iter().map(|(name, node)| (name.as_os_str(), *node))
    }

    /// The node of a store path, given as `/nix/store/…`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<InodeRef> {
        let name = Path::new(path).file_name()?;
        self.paths.get(name).copied()
    }
}

impl Contents for Reader<'_> {
    type Node = InodeRef;

    fn kind(&mut self, node: &InodeRef) -> Result<NodeKind<InodeRef>> {
        let what = || unreadable(*node);
        let inode = self.inode(*node).with_context(what)?;
        Ok(match inode.file_type() {
            FileType::Directory => {
                let entries = self.entries(&inode).with_context(what)?.into_iter();
                let entries = entries.map(|entry| (OsString::from_vec(entry.name), entry.node));
                NodeKind::Directory(entries.collect())
            }
            FileType::Symlink => NodeKind::Link(OsString::from_vec(self.target(&inode).with_context(what)?)),
            FileType::File => NodeKind::File {
                length: inode.size(),
                executable: inode.permissions() & 0o100 != 0,
            },
            other => return Err(anyhow!("a store path has no {other:?}").context(what())),
        })
    }

    fn read(&mut self, node: &InodeRef, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let what = || unreadable(*node);
        let inode = self.inode(*node).with_context(what)?;
        let mut extents = self.extents(&inode).with_context(what)?;
        while let Some(extent) = self.next_extent(&mut extents).with_context(what)? {
            each(self.read(extent).with_context(what)?)?;
        }
        Ok(())
    }
}

fn unreadable(node: InodeRef) -> Unreadable {
    Unreadable::new(format!("inode {node} of the image"))
}
