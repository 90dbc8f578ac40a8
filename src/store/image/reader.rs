//! Contents: blocks of data, and the blocks that small files share.

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use zstd::bulk::Decompressor;

use super::super::source::{Kind, Tree, Unreadable};
use super::Image;
use super::inode::Inode;
use super::metadata::Metadata;

/// In the size of a block of data: it is stored as it is.
const DATA_STORED: u32 = 1 << 24;
/// Bytes of one fragment's record, and how many a metadata block holds.
const FRAGMENT: usize = 16;
const FRAGMENTS_A_BLOCK: u32 = 512;
/// Blocks of small files that all readers share.
const FRAGMENTS_KEPT: usize = 4;

/// Reads an image. A node is an inode's reference: the place of its block in the inode table, and its place in there.
pub struct Reader<'a> {
    pub(super) image: &'a Image,
    zstd: Decompressor<'static>,
    pub(super) packed: Vec<u8>,
    block: Vec<u8>,
    pub(super) metadata: VecDeque<(u64, Arc<Metadata>)>,
}

impl Tree for Reader<'_> {
    type Node = u64;

    fn look(&mut self, node: &u64) -> Result<Kind<u64>> {
        self.kind(*node).with_context(|| unreadable(*node))
    }

    fn read(&mut self, node: &u64, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let what = || unreadable(*node);
        let (inode, mut sizes) = self.inode(*node).with_context(what)?;
        let Inode::File(content) = inode else {
            return Err(anyhow!("it is no file").context(what()));
        };
        let block_size = u64::from(self.image.block_size);
        let (mut at, mut left) = (content.start, content.length);
        while left >= block_size || (left > 0 && content.fragment.is_none()) {
            let wanted = left.min(block_size);
            let size = sizes.u32(self).with_context(what)?;
            self.data(at, size, wanted).with_context(what)?;
            at = at.saturating_add(u64::from(size & !DATA_STORED));
            left -= wanted;
            let block = std::mem::take(&mut self.block);
            each(&block)?;
            self.block = block;
        }
        if let Some((index, offset)) = content.fragment.filter(|_| left > 0) {
            let fragment = self.fragment(index).with_context(what)?;
            let end = u64::from(offset) + left;
            let range = offset as usize..usize::try_from(end).with_context(what)?;
            let tail = fragment.get(range).context("its tail is not there");
            each(tail.with_context(what)?)?;
        }
        Ok(())
    }
}

fn unreadable(node: u64) -> Unreadable {
    Unreadable::new(format!("inode {node:#x} of the image"))
}

impl<'a> Reader<'a> {
    pub(super) fn new(image: &'a Image) -> Result<Self> {
        Ok(Self {
            image,
            zstd: Decompressor::new().context("Failed to make a decompressor")?,
            packed: Vec::new(),
            block: Vec::new(),
            metadata: VecDeque::new(),
        })
    }

    /// Unpacks a block of data of `wanted` bytes, or makes the hole that it is.
    fn data(&mut self, at: u64, size: u32, wanted: u64) -> Result<()> {
        let mut block = std::mem::take(&mut self.block);
        if size == 0 {
            block.clear();
            block.resize(usize::try_from(wanted)?, 0);
        } else {
            self.unpack(at, size, &mut block)?;
            ensure!(block.len() as u64 == wanted, "a block of {} bytes", block.len());
        }
        self.block = block;
        Ok(())
    }

    fn unpack(&mut self, at: u64, size: u32, into: &mut Vec<u8>) -> Result<()> {
        let length = size & !DATA_STORED;
        ensure!(length <= self.image.block_size, "a packed block of {length} bytes");
        self.stored(at, length as usize)?;
        self.expand(size & DATA_STORED != 0, self.image.block_size as usize, into)
    }

    /// Reads what is stored in the image.
    pub(super) fn stored(&mut self, at: u64, length: usize) -> Result<()> {
        self.packed.resize(length, 0);
        Ok(self.image.file.read_exact_at(&mut self.packed, at)?)
    }

    /// What was read last, unpacked unless it is `plain`; at most `most` bytes.
    pub(super) fn expand(&mut self, plain: bool, most: usize, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        if plain {
            ensure!(self.packed.len() <= most, "a block that is too long");
            into.extend_from_slice(&self.packed);
            return Ok(());
        }
        into.reserve_exact(most);
        self.zstd.decompress_to_buffer(&self.packed, into)?;
        ensure!(into.len() <= most, "a block that is too long");
        Ok(())
    }

    /// A block that holds the tails of many files.
    fn fragment(&mut self, index: u32) -> Result<Arc<Vec<u8>>> {
        let image = self.image;
        let kept = || image.fragments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, block)) = kept().iter().find(|(known, _)| *known == index) {
            return Ok(Arc::clone(block));
        }
        ensure!(index < image.fragment_count, "fragment {index}");
        let table = image
            .fragment_table
            .saturating_add(u64::from(index / FRAGMENTS_A_BLOCK) * 8);
        let mut block = [0; 8];
        image.file.read_exact_at(&mut block, table)?;
        let within = (index % FRAGMENTS_A_BLOCK) as usize * FRAGMENT;
        let mut record = self.cursor(u64::from_le_bytes(block), within)?;
        let (at, size) = (record.u64(self)?, record.u32(self)?);
        let mut bytes = Vec::new();
        self.unpack(at, size, &mut bytes)?;
        let bytes = Arc::new(bytes);
        let mut kept = kept();
        kept.truncate(FRAGMENTS_KEPT - 1);
        kept.push_front((index, Arc::clone(&bytes)));
        Ok(bytes)
    }
}
