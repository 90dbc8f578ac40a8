//! The pieces that a file's contents are stored in.

use crate::error::Error;
use crate::inode::{Content, Inode, Kind};
use crate::metadata::{Cursor, Metadata};
use crate::unpack::Packed;

/// A piece of a file's contents: a block, a hole, or a tail that lies in a fragment. Any reader of the same image can
/// read it, so several threads can share the extents of one file.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub(crate) place: Stored,
    pub(crate) length: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Stored {
    Hole,
    Block(Packed),
    Fragment { index: u32, offset: u32 },
}

impl Extent {
    /// In bytes, unpacked: at least one, and at most the image's block size.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // None is empty.
    pub fn len(&self) -> u32 {
        self.length
    }

    /// Whether it is a hole: zeros that take no room in the image.
    #[must_use]
    pub fn is_hole(&self) -> bool {
        matches!(self.place, Stored::Hole)
    }
}

/// The extents of one file that are still to come. They are not collected, because a corrupt image can claim any number.
pub struct Extents {
    content: Content,
    sizes: Cursor,
    block_size: u32,
}

impl Extents {
    pub(crate) fn new(metadata: &mut Metadata<'_>, block_size: u32, inode: &Inode) -> Result<Self, Error> {
        let Kind::File(content) = &inode.kind else {
            return Err(Error::WrongType);
        };
        Ok(Self {
            sizes: metadata.cursor(content.sizes)?,
            content: content.clone(),
            block_size,
        })
    }

    pub(crate) fn next(&mut self, metadata: &mut Metadata<'_>) -> Result<Option<Extent>, Error> {
        let content = &mut self.content;
        if content.length == 0 {
            return Ok(None);
        }
        let length = u32::try_from(content.length).map_or(self.block_size, |left| left.min(self.block_size));
        let place = match content.fragment {
            Some((index, offset)) if length < self.block_size => Stored::Fragment { index, offset },
            _ => match self.sizes.u32(metadata)? {
                0 => Stored::Hole,
                size => {
                    let packed = Packed::new(content.start, size);
                    content.start = content.start.saturating_add(packed.length.into());
                    Stored::Block(packed)
                }
            },
        };
        content.length -= u64::from(length);
        Ok(Some(Extent { place, length }))
    }
}
