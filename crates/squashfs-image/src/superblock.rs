//! The first 96 bytes of an image (`struct squashfs_super_block` in `fs/squashfs/squashfs_fs.h` of Linux 6.12).

use crate::error::{Corruption, Error};
use crate::read_at::ReadAt;

const LENGTH: usize = 96;
const MAGIC: u32 = 0x7371_7368;
const ZSTD: u16 = 6;

/// What of it is needed to read the tree and its files. Places are offsets in the image, in bytes.
pub(crate) struct Superblock {
    pub(crate) inode_count: u32,
    pub(crate) block_size: u32,
    pub(crate) fragment_count: u32,
    /// The inode of the root directory, as in [`crate::InodeRef`].
    pub(crate) root: u64,
    pub(crate) inode_table: u64,
    pub(crate) directory_table: u64,
    pub(crate) fragment_table: u64,
}

impl Superblock {
    pub(crate) fn read(source: &dyn ReadAt) -> Result<Self, Error> {
        let mut bytes = [0; LENGTH];
        source
            .read_exact_at(&mut bytes, 0)
            .map_err(|error| match error.into() {
                Error::Corrupt(Corruption::OutOfImage) => Error::NotSquashfs,
                other => other,
            })?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u32_at(0) != MAGIC {
            return Err(Error::NotSquashfs);
        }
        let (major, minor, compressor, block_size) = (u16_at(28), u16_at(30), u16_at(20), u32_at(12));
        if (major, minor) != (4, 0) {
            return Err(Error::UnsupportedVersion { major, minor });
        }
        if compressor != ZSTD {
            return Err(Error::UnsupportedCompressor(compressor));
        }
        if !block_size.is_power_of_two() || !(4096..=1 << 20).contains(&block_size) {
            return Err(Corruption::BlockSize(block_size).into());
        }
        Ok(Self {
            inode_count: u32_at(4),
            block_size,
            fragment_count: u32_at(16),
            root: u64_at(32),
            inode_table: u64_at(64),
            directory_table: u64_at(72),
            fragment_table: u64_at(80),
        })
    }
}
