//! The blocks of 8 KiB that inodes, folders and tables are kept in.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use anyhow::{Result, ensure};

use super::reader::Reader;

/// A block of inodes, folders or tables, unpacked.
const METADATA: usize = 8192;
/// In the size of such a block: it is stored as it is.
const METADATA_STORED: u16 = 1 << 15;
/// How many one reader keeps.
const METADATA_KEPT: usize = 8;

pub(super) struct Metadata {
    bytes: Vec<u8>,
    next: u64,
}

/// A place in a run of metadata blocks.
pub(super) struct Cursor {
    block: Arc<Metadata>,
    at: usize,
}

impl Cursor {
    fn fill(&mut self, reader: &mut Reader<'_>, mut wanted: &mut [u8]) -> Result<()> {
        while !wanted.is_empty() {
            if self.at == self.block.bytes.len() {
                self.block = reader.metadata(self.block.next)?;
                self.at = 0;
                ensure!(!self.block.bytes.is_empty(), "an empty block");
            }
            let there = &self.block.bytes[self.at..];
            let count = there.len().min(wanted.len());
            let (now, later) = wanted.split_at_mut(count);
            now.copy_from_slice(&there[..count]);
            self.at += count;
            wanted = later;
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, reader: &mut Reader<'_>, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.fill(reader, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, reader: &mut Reader<'_>, length: usize) -> Result<()> {
        self.bytes(reader, length).map(drop)
    }

    pub(super) fn u16(&mut self, reader: &mut Reader<'_>) -> Result<u16> {
        self.array(reader).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, reader: &mut Reader<'_>) -> Result<u32> {
        self.array(reader).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, reader: &mut Reader<'_>) -> Result<u64> {
        self.array(reader).map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self, reader: &mut Reader<'_>) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(reader, &mut bytes)?;
        Ok(bytes)
    }
}

impl Reader<'_> {
    pub(super) fn cursor(&mut self, block: u64, at: usize) -> Result<Cursor> {
        let block = self.metadata(block)?;
        ensure!(at <= block.bytes.len(), "out of a block");
        Ok(Cursor { block, at })
    }

    fn metadata(&mut self, at: u64) -> Result<Arc<Metadata>> {
        if let Some((_, block)) = self.metadata.iter().find(|(known, _)| *known == at) {
            return Ok(Arc::clone(block));
        }
        let mut header = [0; 2];
        self.image.file.read_exact_at(&mut header, at)?;
        let header = u16::from_le_bytes(header);
        let length = header & !METADATA_STORED;
        self.stored(at + 2, length.into())?;
        let mut bytes = Vec::new();
        self.expand(header & METADATA_STORED != 0, METADATA, &mut bytes)?;
        let next = at + 2 + u64::from(length);
        let block = Arc::new(Metadata { bytes, next });
        self.metadata.truncate(METADATA_KEPT - 1);
        self.metadata.push_front((at, Arc::clone(&block)));
        Ok(block)
    }
}
