//! The entries of directories, and the targets of symbolic links.

use crate::error::{Corruption, Error};
use crate::inode::{Inode, InodeRef, Kind};
use crate::metadata::{Metadata, Place};
use crate::superblock::Superblock;

/// What no file system that Linux mounts exceeds (`NAME_MAX`).
const LONGEST_NAME: usize = 255;
/// The longest target that Linux follows (`PATH_MAX` without its NUL).
const LONGEST_TARGET: u32 = 4095;
/// The bytes of a listing that are counted for `.` and `..`, which are not in it.
const DOTS: u32 = 3;
/// Bytes of the header in front of a run of entries, and of an entry without its name.
const HEADER: usize = 12;
const ENTRY: usize = 8;

/// A name in a directory. It is no path: it has neither slash nor NUL in it, and is neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// At most 255 bytes, in no particular encoding.
    pub name: Vec<u8>,
    /// What it names.
    pub node: InodeRef,
}

/// The entries of a directory, in strictly ascending order of their names.
pub(crate) fn entries(
    metadata: &mut Metadata<'_>,
    superblock: &Superblock,
    inode: &Inode,
) -> Result<Vec<Entry>, Error> {
    let Kind::Directory {
        block, offset, size, ..
    } = inode.kind
    else {
        return Err(Error::WrongType);
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut left = size.saturating_sub(DOTS) as usize;
    if left == 0 {
        return Ok(entries);
    }
    let block = superblock.directory_table.checked_add(block.into());
    let mut cursor = metadata.cursor(Place {
        block: block.ok_or(Corruption::OutOfImage)?,
        offset: offset.into(),
    })?;
    while left > 0 {
        let count = cursor.u32(metadata)?;
        let block = u64::from(cursor.u32(metadata)?);
        // The number of the first inode, to which those of the entries are relative.
        cursor.skip(metadata, 4)?;
        left = left.checked_sub(HEADER).ok_or(Corruption::DirectorySize)?;
        for _ in 0..=count {
            let offset = u64::from(cursor.u16(metadata)?);
            // The inode's number and its type, which stand in the inode too.
            cursor.skip(metadata, 4)?;
            let length = usize::from(cursor.u16(metadata)?) + 1;
            left = left.checked_sub(ENTRY + length).ok_or(Corruption::DirectorySize)?;
            if length > LONGEST_NAME {
                return Err(Corruption::Name.into());
            }
            let name = cursor.bytes(metadata, length)?;
            if name == b"." || name == b".." || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
                return Err(Corruption::Name.into());
            }
            if entries.last().is_some_and(|last| last.name >= name) {
                return Err(Corruption::NameOrder.into());
            }
            let node = InodeRef(block << 16 | offset);
            entries.push(Entry { name, node });
        }
    }
    Ok(entries)
}

/// The target of a symbolic link.
pub(crate) fn target(metadata: &mut Metadata<'_>, inode: &Inode) -> Result<Vec<u8>, Error> {
    let Kind::Symlink { target, length } = inode.kind else {
        return Err(Error::WrongType);
    };
    if !(1..=LONGEST_TARGET).contains(&length) {
        return Err(Corruption::LinkTarget.into());
    }
    let target = metadata.cursor(target)?.bytes(metadata, length as usize)?;
    if target.contains(&0) {
        return Err(Corruption::LinkTarget.into());
    }
    Ok(target)
}
