//! How much is free in the live system, and how much the system takes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;

use crate::live::target::Target;
use crate::memory::{Memory, PROC};
use crate::store::database::Record;
use crate::store::live_image::StoreImage;
use crate::store::room::{self, Grain, Room};

/// The space on the disk that the system is installed to, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSpace {
    /// The mount point; absent while the disk is not partitioned.
    pub target: Option<PathBuf>,
    pub free: u64,
    /// What the system and its configuration take.
    pub needed: u64,
    /// The number of their files and directories.
    pub entries: u64,
}

impl DiskSpace {
    /// Measures what `records` of the live system's store, `fetched` bytes of NARs and the configuration at `tree` take on the
    /// target; where that is `None`, on the largest disk. Returns nothing where that is unknown, or where the target has a store
    /// already: a store path that it has is not copied again.
    ///
    /// # Errors
    /// When the target's file system or a file to copy cannot be read.
    pub fn measure(
        target: Option<&Target>,
        largest_disk: Option<u64>,
        image: Option<&StoreImage>,
        tree: &Path,
        (records, fetched): (&[Record], u64),
    ) -> Result<Option<Self>> {
        let (grain, free) = match (target.map(Target::store), largest_disk) {
            (Some(store), _) if store.exists() => return Ok(None),
            (Some(store), _) => (Grain::of(&store)?, room::free(&store)?),
            (None, Some(bytes)) => (
                Grain::EXPECTED,
                Room {
                    bytes,
                    entries: u64::MAX,
                },
            ),
            (None, None) => return Ok(None),
        };
        let of_tree = grain.room(tree)?;
        let records: Vec<&Record> = records.iter().collect();
        let of_records = grain.of_records(image, &records, free.without(of_tree))?;
        Ok(Some(Self {
            target: target.map(|target| target.root().to_owned()),
            free: free.bytes,
            needed: of_records.bytes + of_tree.bytes + grain.of_nars(fetched),
            entries: of_records.entries + of_tree.entries,
        }))
    }
}

/// The bytes of memory that are free to build in: the live system's store is in memory.
///
/// # Errors
/// When the kernel does not report them.
pub fn free_memory() -> Result<u64> {
    let memory = Memory::read(Path::new(PROC)).context("/proc/meminfo does not say what is available")?;
    let store = statvfs("/nix/store")?;
    Ok(memory
        .available
        .min(store.blocks_available().saturating_mul(store.fragment_size())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fetched_takes_whole_blocks_on_the_disk() {
        let tree = tempfile::tempdir().unwrap();
        let space = DiskSpace::measure(None, Some(4_000_000), None, tree.path(), (&[], 3_000_000));
        // The directory of the configuration has one.
        assert_eq!(space.unwrap().unwrap().needed, 4_000_000 + 4096);
    }
}
