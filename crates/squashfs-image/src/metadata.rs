//! The blocks of 8 KiB that hold inodes, directories and tables.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::{Corruption, Error};
use crate::read_at::ReadAt;
use crate::unpack::{Packed, Unpacker};

/// Bytes of such a block, unpacked.
const BLOCK: u32 = 8192;
/// In the size of such a block: it is stored as it is.
const STORED: u16 = 1 << 15;
/// How many of them one reader keeps.
const KEPT: usize = 8;

struct Block {
    bytes: Vec<u8>,
    /// Where the next one lies in the image.
    next: u64,
}

/// A place in the metadata: where the block lies in the image, and the place in the unpacked block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: u64,
    pub(crate) offset: usize,
}

/// Reads metadata, for one thread.
pub(crate) struct Metadata<'a> {
    pub(crate) unpacker: Unpacker<'a>,
    kept: VecDeque<(u64, Arc<Block>)>,
}

impl<'a> Metadata<'a> {
    pub(crate) fn new(source: &'a dyn ReadAt) -> Result<Self, Error> {
        Ok(Self {
            unpacker: Unpacker::new(source)?,
            kept: VecDeque::new(),
        })
    }

    pub(crate) fn cursor(&mut self, place: Place) -> Result<Cursor, Error> {
        let block = self.block(place.block)?;
        if place.offset > block.bytes.len() {
            return Err(Corruption::OutOfMetadataBlock.into());
        }
        Ok(Cursor { block, place })
    }

    fn block(&mut self, at: u64) -> Result<Arc<Block>, Error> {
        if let Some((_, block)) = self.kept.iter().find(|(known, _)| *known == at) {
            return Ok(Arc::clone(block));
        }
        let header = u16::from_le_bytes(self.unpacker.array(at)?);
        let packed = Packed {
            start: at.saturating_add(2),
            length: (header & !STORED).into(),
            compressed: header & STORED == 0,
        };
        let mut bytes = Vec::new();
        self.unpacker.unpack(packed, BLOCK, &mut bytes)?;
        let next = packed.start.saturating_add(packed.length.into());
        let block = Arc::new(Block { bytes, next });
        self.kept.truncate(KEPT - 1);
        self.kept.push_front((at, Arc::clone(&block)));
        Ok(block)
    }
}

/// Reads on from a place, from block to block.
pub(crate) struct Cursor {
    block: Arc<Block>,
    place: Place,
}

impl Cursor {
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The next bytes of the current block, `most` or fewer, but not none.
    fn piece(&mut self, metadata: &mut Metadata<'_>, most: usize) -> Result<&[u8], Error> {
        if self.place.offset == self.block.bytes.len() {
            let block = self.block.next;
            self.block = metadata.block(block)?;
            self.place = Place { block, offset: 0 };
            if self.block.bytes.is_empty() {
                return Err(Corruption::EmptyMetadataBlock.into());
            }
        }
        let rest = &self.block.bytes[self.place.offset..];
        let piece = &rest[..rest.len().min(most)];
        self.place.offset += piece.len();
        Ok(piece)
    }

    fn fill(&mut self, metadata: &mut Metadata<'_>, mut wanted: &mut [u8]) -> Result<(), Error> {
        while !wanted.is_empty() {
            let piece = self.piece(metadata, wanted.len())?;
            let (now, later) = wanted.split_at_mut(piece.len());
            now.copy_from_slice(piece);
            wanted = later;
        }
        Ok(())
    }

    pub(crate) fn bytes(&mut self, metadata: &mut Metadata<'_>, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        self.fill(metadata, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn skip(&mut self, metadata: &mut Metadata<'_>, mut length: u64) -> Result<(), Error> {
        while length > 0 {
            let most = usize::try_from(length).unwrap_or(usize::MAX);
            length -= self.piece(metadata, most)?.len() as u64;
        }
        Ok(())
    }

    pub(crate) fn u16(&mut self, metadata: &mut Metadata<'_>) -> Result<u16, Error> {
        self.array(metadata).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, metadata: &mut Metadata<'_>) -> Result<u32, Error> {
        self.array(metadata).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, metadata: &mut Metadata<'_>) -> Result<u64, Error> {
        self.array(metadata).map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self, metadata: &mut Metadata<'_>) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.fill(metadata, &mut bytes)?;
        Ok(bytes)
    }
}
