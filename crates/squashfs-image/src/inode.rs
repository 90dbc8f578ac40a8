//! Inodes (`struct squashfs_*_inode` in `fs/squashfs/squashfs_fs.h` of Linux 6.12).

use std::fmt;

use crate::error::{Corruption, Error};
use crate::metadata::{Cursor, Metadata, Place};
use crate::superblock::Superblock;

/// The index of a fragment that says that there is none.
const NO_FRAGMENT: u32 = u32::MAX;

/// The place of an inode in an image. It means nothing in another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeRef(pub(crate) u64);

impl fmt::Display for InodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // They are the types of POSIX.
pub enum FileType {
    Directory,
    File,
    Symlink,
    BlockDevice,
    CharacterDevice,
    Fifo,
    Socket,
}

/// An inode of an image, without names, entries or contents. It means nothing in another image.
#[derive(Debug, Clone)]
pub struct Inode {
    number: u32,
    permissions: u16,
    modified: u32,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// The size is that of the listing, with 3 bytes for `.` and `..`, which are not in it.
    Directory {
        block: u32,
        offset: u16,
        size: u32,
        /// How many entries of an index follow the inode.
        index: u16,
    },
    File(Content),
    Symlink {
        target: Place,
        length: u32,
    },
    Other(FileType),
}

/// Where the contents of a file are.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    /// Of the first block, in the image.
    pub(crate) start: u64,
    /// In bytes.
    pub(crate) length: u64,
    /// The list of the stored sizes of its blocks.
    pub(crate) sizes: Place,
    /// The index of the fragment with the tail, and the tail's place in there.
    pub(crate) fragment: Option<(u32, u32)>,
}

impl Content {
    fn new(start: u64, length: u64, (index, offset): (u32, u32), sizes: Place) -> Self {
        Self {
            start,
            length,
            sizes,
            fragment: (index != NO_FRAGMENT).then_some((index, offset)),
        }
    }

    /// The number of whole blocks; without a fragment the last can be shorter.
    fn blocks(&self, block_size: u32) -> u64 {
        let block_size = block_size.into();
        match self.fragment {
            Some(_) => self.length / block_size,
            None => self.length.div_ceil(block_size),
        }
    }
}

impl Inode {
    /// What it is.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        match self.kind {
            Kind::Directory { .. } => FileType::Directory,
            Kind::File(_) => FileType::File,
            Kind::Symlink { .. } => FileType::Symlink,
            Kind::Other(file_type) => file_type,
        }
    }

    /// The length in bytes of a file's contents, holes included, or of a symbolic link's target; 0 for all others.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.length,
            Kind::Symlink { length, .. } => (*length).into(),
            Kind::Directory { .. } | Kind::Other(_) => 0,
        }
    }

    /// Its number, which two names of one file share. Nothing checks that the image uses a number once.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The mode without the file type: `0o755`.
    #[must_use]
    pub fn permissions(&self) -> u16 {
        self.permissions & 0o7777
    }

    /// The time of the last modification, in seconds since 1970.
    #[must_use]
    pub fn modified(&self) -> u32 {
        self.modified
    }

    pub(crate) fn at(metadata: &mut Metadata<'_>, superblock: &Superblock, node: InodeRef) -> Result<Self, Error> {
        let block = superblock.inode_table.checked_add(node.0 >> 16);
        let place = Place {
            block: block.ok_or(Corruption::OutOfImage)?,
            offset: (node.0 & 0xffff) as usize,
        };
        let mut cursor = metadata.cursor(place)?;
        Self::parse(metadata, &mut cursor).map(|(inode, _)| inode)
    }

    /// The inode at the cursor, which is then at the next one.
    pub(crate) fn next(
        metadata: &mut Metadata<'_>,
        superblock: &Superblock,
        cursor: &mut Cursor,
    ) -> Result<Self, Error> {
        let (inode, extended) = Self::parse(metadata, cursor)?;
        match &inode.kind {
            Kind::File(content) => {
                let sizes = content.blocks(superblock.block_size).saturating_mul(4);
                cursor.skip(metadata, sizes)?;
            }
            Kind::Symlink { length, .. } => {
                // The index of the extended attributes stands behind the target.
                cursor.skip(metadata, u64::from(*length) + if extended { 4 } else { 0 })?;
            }
            Kind::Directory { index, .. } => {
                for _ in 0..*index {
                    cursor.skip(metadata, 8)?;
                    let length = u64::from(cursor.u32(metadata)?) + 1;
                    cursor.skip(metadata, length)?;
                }
            }
            Kind::Other(_) => {}
        }
        Ok(inode)
    }

    /// An inode's part of fixed length, and whether it is an extended one.
    fn parse(metadata: &mut Metadata<'_>, cursor: &mut Cursor) -> Result<(Self, bool), Error> {
        let number_of_type = cursor.u16(metadata)?;
        let permissions = cursor.u16(metadata)?;
        // The indices of the owner and the group.
        cursor.skip(metadata, 4)?;
        let (modified, number) = (cursor.u32(metadata)?, cursor.u32(metadata)?);
        let (basic, extended) = match number_of_type {
            1..=7 => (number_of_type, false),
            8..=14 => (number_of_type - 7, true),
            other => return Err(Corruption::InodeType(other).into()),
        };
        let kind = match (basic, extended) {
            (1, false) => directory(metadata, cursor)?,
            (1, true) => extended_directory(metadata, cursor)?,
            (2, false) => {
                let start = cursor.u32(metadata)?.into();
                let (index, offset) = (cursor.u32(metadata)?, cursor.u32(metadata)?);
                let length = cursor.u32(metadata)?.into();
                Kind::File(Content::new(start, length, (index, offset), cursor.place()))
            }
            (2, true) => {
                let (start, length) = (cursor.u64(metadata)?, cursor.u64(metadata)?);
                // How much of it is holes, and how many names it has.
                cursor.skip(metadata, 12)?;
                let (index, offset) = (cursor.u32(metadata)?, cursor.u32(metadata)?);
                // The index of its extended attributes.
                cursor.skip(metadata, 4)?;
                Kind::File(Content::new(start, length, (index, offset), cursor.place()))
            }
            (3, _) => {
                cursor.skip(metadata, 4)?;
                let (length, target) = (cursor.u32(metadata)?, cursor.place());
                Kind::Symlink { target, length }
            }
            _ => special(metadata, cursor, basic, extended)?,
        };
        let inode = Self {
            number,
            permissions,
            modified,
            kind,
        };
        Ok((inode, extended))
    }
}

fn directory(metadata: &mut Metadata<'_>, cursor: &mut Cursor) -> Result<Kind, Error> {
    let block = cursor.u32(metadata)?;
    // The number of its names.
    cursor.skip(metadata, 4)?;
    let (size, offset) = (cursor.u16(metadata)?.into(), cursor.u16(metadata)?);
    // The number of its parent.
    cursor.skip(metadata, 4)?;
    Ok(Kind::Directory {
        block,
        offset,
        size,
        index: 0,
    })
}

fn extended_directory(metadata: &mut Metadata<'_>, cursor: &mut Cursor) -> Result<Kind, Error> {
    cursor.skip(metadata, 4)?;
    let (size, block) = (cursor.u32(metadata)?, cursor.u32(metadata)?);
    cursor.skip(metadata, 4)?;
    let (index, offset) = (cursor.u16(metadata)?, cursor.u16(metadata)?);
    // The index of its extended attributes.
    cursor.skip(metadata, 4)?;
    Ok(Kind::Directory {
        block,
        offset,
        size,
        index,
    })
}

/// Devices, fifos and sockets: what they are, without the device's number.
fn special(metadata: &mut Metadata<'_>, cursor: &mut Cursor, basic: u16, extended: bool) -> Result<Kind, Error> {
    let file_type = match basic {
        4 => FileType::BlockDevice,
        5 => FileType::CharacterDevice,
        6 => FileType::Fifo,
        _ => FileType::Socket,
    };
    let device = if basic < 6 { 4 } else { 0 };
    cursor.skip(metadata, 4 + device + if extended { 4 } else { 0 })?;
    Ok(Kind::Other(file_type))
}
