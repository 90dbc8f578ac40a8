//! What there is in an image: folders, files, links, and where their contents are.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::super::source::Kind;
use super::metadata::Cursor;
use super::reader::Reader;

/// A file without a tail that shares a block with others.
const NO_FRAGMENT: u32 = u32::MAX;
/// What no file system that Linux mounts goes beyond.
const LONGEST_NAME: usize = 255;
const LONGEST_LINK: u32 = 4095;
/// A folder's size counts `.` and `..`, which are not there.
const EMPTY_FOLDER: u32 = 3;

pub(super) enum Inode {
    Folder { block: u32, offset: u16, size: u32 },
    File(Content),
    Link { length: u32 },
}

pub(super) struct Content {
    pub(super) start: u64,
    pub(super) length: u64,
    pub(super) fragment: Option<(u32, u32)>,
    executable: bool,
}

impl Content {
    fn new(start: u64, length: u64, index: u32, offset: u32, executable: bool) -> Self {
        Self {
            start,
            length,
            fragment: (index != NO_FRAGMENT).then_some((index, offset)),
            executable,
        }
    }
}

impl Reader<'_> {
    pub(super) fn kind(&mut self, node: u64) -> Result<Kind<u64>> {
        let (inode, mut cursor) = self.inode(node)?;
        Ok(match inode {
            Inode::Folder { block, offset, size } => Kind::Folder(self.entries(block, offset, size)?),
            Inode::File(content) => Kind::File {
                length: content.length,
                executable: content.executable,
            },
            Inode::Link { length } => {
                ensure!((1..=LONGEST_LINK).contains(&length), "a link of {length} bytes");
                let target = cursor.bytes(self, length as usize)?;
                ensure!(!target.contains(&0), "a link with a NUL");
                Kind::Link(OsString::from_vec(target))
            }
        })
    }

    /// An inode, and the place behind it: a file's block sizes, a link's target.
    pub(super) fn inode(&mut self, node: u64) -> Result<(Inode, Cursor)> {
        let block = self.image.inodes.checked_add(node >> 16).context("out of the image")?;
        let mut cursor = self.cursor(block, (node & 0xffff) as usize)?;
        let kind = cursor.u16(self)?;
        let executable = cursor.u16(self)? & 0o100 != 0;
        // Owner, time and number.
        cursor.skip(self, 12)?;
        let inode = match kind {
            1 => {
                let block = cursor.u32(self)?;
                cursor.skip(self, 4)?;
                let (size, offset) = (cursor.u16(self)?.into(), cursor.u16(self)?);
                cursor.skip(self, 4)?;
                Inode::Folder { block, offset, size }
            }
            8 => {
                cursor.skip(self, 4)?;
                let (size, block) = (cursor.u32(self)?, cursor.u32(self)?);
                cursor.skip(self, 6)?;
                let offset = cursor.u16(self)?;
                Inode::Folder { block, offset, size }
            }
            2 => {
                let start = cursor.u32(self)?.into();
                let (index, offset) = (cursor.u32(self)?, cursor.u32(self)?);
                let length = cursor.u32(self)?.into();
                Inode::File(Content::new(start, length, index, offset, executable))
            }
            9 => {
                let (start, length) = (cursor.u64(self)?, cursor.u64(self)?);
                // How much of it is holes, and how many names it has.
                cursor.skip(self, 12)?;
                let (index, offset) = (cursor.u32(self)?, cursor.u32(self)?);
                cursor.skip(self, 4)?;
                Inode::File(Content::new(start, length, index, offset, executable))
            }
            3 | 10 => {
                cursor.skip(self, 4)?;
                let length = cursor.u32(self)?;
                Inode::Link { length }
            }
            other => bail!("an inode of type {other}"),
        };
        Ok((inode, cursor))
    }

    fn entries(&mut self, block: u32, offset: u16, size: u32) -> Result<Vec<(OsString, u64)>> {
        let mut entries: Vec<(OsString, u64)> = Vec::new();
        let mut left = size.saturating_sub(EMPTY_FOLDER) as usize;
        if left == 0 {
            return Ok(entries);
        }
        let at = self
            .image
            .folders
            .checked_add(block.into())
            .context("out of the image")?;
        let mut cursor = self.cursor(at, offset.into())?;
        while left > 0 {
            let count = cursor.u32(self)?;
            let block = u64::from(cursor.u32(self)?);
            cursor.skip(self, 4)?;
            left = left.checked_sub(12).context("a folder ends within its header")?;
            for _ in 0..=count {
                let offset = u64::from(cursor.u16(self)?);
                cursor.skip(self, 4)?;
                let length = usize::from(cursor.u16(self)?) + 1;
                ensure!(length <= LONGEST_NAME, "a name of {length} bytes");
                let name = OsString::from_vec(cursor.bytes(self, length)?);
                // Names become paths below the target. In order, and so each once.
                let plain = name != "." && name != ".." && !name.as_bytes().iter().any(|byte| matches!(byte, 0 | b'/'));
                ensure!(plain, "the name {}", Path::new(&name).display());
                let after = |(last, _): &(OsString, u64)| last.as_os_str() < OsStr::new(&name);
                ensure!(entries.last().is_none_or(after), "names in no order");
                entries.push((name, block << 16 | offset));
                left = left.checked_sub(8 + length).context("a folder ends within a name")?;
            }
        }
        Ok(entries)
    }
}
