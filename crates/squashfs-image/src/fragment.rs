//! Fragments: blocks that hold the tails of many files.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Corruption, Error};
use crate::metadata::{Metadata, Place};
use crate::superblock::Superblock;
use crate::unpack::Packed;

/// Bytes of a fragment's record, and how many records a metadata block holds.
const RECORD: usize = 16;
const RECORDS_PER_BLOCK: u32 = 512;
/// How many fragments all readers of an image share, unpacked.
const KEPT: usize = 4;

/// The fragments that were read last, for all readers of an image.
#[derive(Default)]
pub(crate) struct Fragments {
    kept: Mutex<VecDeque<(u32, Arc<Vec<u8>>)>>,
}

impl Fragments {
    pub(crate) fn get(
        &self,
        metadata: &mut Metadata<'_>,
        superblock: &Superblock,
        index: u32,
    ) -> Result<Arc<Vec<u8>>, Error> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, fragment)) = kept().iter().find(|(known, _)| *known == index) {
            return Ok(Arc::clone(fragment));
        }
        let packed = record(metadata, superblock, index)?;
        let mut fragment = Vec::new();
        metadata.unpacker.unpack(packed, superblock.block_size, &mut fragment)?;
        let fragment = Arc::new(fragment);
        let mut kept = kept();
        kept.truncate(KEPT - 1);
        kept.push_front((index, Arc::clone(&fragment)));
        Ok(fragment)
    }
}

/// Where a fragment is stored. The table of fragments is a list of the places of the metadata blocks with the records.
fn record(metadata: &mut Metadata<'_>, superblock: &Superblock, index: u32) -> Result<Packed, Error> {
    if index >= superblock.fragment_count {
        return Err(Corruption::FragmentIndex(index).into());
    }
    let block = u64::from(index / RECORDS_PER_BLOCK) * 8;
    let block = metadata
        .unpacker
        .array(superblock.fragment_table.saturating_add(block))?;
    let mut cursor = metadata.cursor(Place {
        block: u64::from_le_bytes(block),
        offset: (index % RECORDS_PER_BLOCK) as usize * RECORD,
    })?;
    let (start, size) = (cursor.u64(metadata)?, cursor.u32(metadata)?);
    Ok(Packed::new(start, size))
}
