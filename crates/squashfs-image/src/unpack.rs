//! Reads what is stored in an image, and decompresses it.

use zstd::bulk::Decompressor;

use crate::error::{Corruption, Error};
use crate::read_at::ReadAt;

/// In the stored size of a block of files: it is stored as it is.
const STORED: u32 = 1 << 24;

/// What is stored in the image, where, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed {
    pub(crate) start: u64,
    pub(crate) length: u32,
    pub(crate) compressed: bool,
}

impl Packed {
    /// `size` as it is in the list of a file's blocks and in the table of fragments.
    pub(crate) fn new(start: u64, size: u32) -> Self {
        Self {
            start,
            length: size & !STORED,
            compressed: size & STORED == 0,
        }
    }
}

/// Unpacks blocks, for one thread.
pub(crate) struct Unpacker<'a> {
    source: &'a dyn ReadAt,
    zstd: Decompressor<'static>,
    packed: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(source: &'a dyn ReadAt) -> Result<Self, Error> {
        Ok(Self {
            source,
            zstd: Decompressor::new()?,
            packed: Vec::new(),
        })
    }

    /// Reads an integer of the tables.
    pub(crate) fn array<const N: usize>(&self, at: u64) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.source.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Replaces the contents of `block`. Neither they nor what is stored may be more than `most` bytes.
    pub(crate) fn unpack(&mut self, packed: Packed, most: u32, block: &mut Vec<u8>) -> Result<(), Error> {
        if packed.length > most {
            return Err(Corruption::BlockTooLong(packed.length).into());
        }
        let bytes = if packed.compressed {
            &mut self.packed
        } else {
            &mut *block
        };
        bytes.resize(packed.length as usize, 0);
        self.source.read_exact_at(bytes, packed.start)?;
        if packed.compressed {
            block.clear();
            block.reserve_exact(most as usize);
            let unpacked = self.zstd.decompress_to_buffer(&self.packed, block);
            // The buffer may have room for more.
            if unpacked.is_err() || block.len() > most as usize {
                return Err(Corruption::CompressedBlock.into());
            }
        }
        Ok(())
    }
}
