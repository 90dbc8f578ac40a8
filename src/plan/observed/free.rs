//! How much is free in the live system, and how much the system takes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;

use crate::live::target::Target;
use crate::memory::{Memory, PROC};
use crate::store::database::Record;
use crate::store::live_image::StoreImage;
use crate::store::room::{self, Grain, Room};
use crate::tree::extra_files::{ExtraFile, ExtraFiles, new_name};

/// The space on the disk that the system is installed to, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSpace {
    /// The mount point; absent while the disk is not partitioned.
    pub target: Option<PathBuf>,
    pub free: u64,
    /// What the system, its configuration and the extra files take.
    pub needed: u64,
    /// What the extra files take of that.
    pub brought: u64,
    /// The number of their files and directories.
    pub entries: u64,
}

impl DiskSpace {
    /// Measures what `records` of the live system's store, `fetched` bytes of NARs, the configuration at `tree` and the extra files take
    /// on the target; where that is `None`, on the largest disk. Returns nothing where that is unknown, or where the target has a store
    /// already: a store path that it has is not copied again.
    ///
    /// # Errors
    /// When the target's file system or a file to copy cannot be read.
    pub fn measure(
        target: Option<&Target>,
        largest_disk: Option<u64>,
        image: Option<&StoreImage>,
        (tree, extra_files): (&Path, Option<&ExtraFiles>),
        (records, fetched): (&[Record], u64),
    ) -> Result<Option<Self>> {
        let (grain, free) = match (target.map(Target::store), largest_disk) {
            (Some(store), _) if store.exists() => return Ok(None),
            (Some(store), _) => {
                let mut free = room::free(&store)?;
                free.bytes += begun(extra_files, target);
                (Grain::of(&store)?, free)
            }
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
        let brought =
            extra_files.map(|files| room::of_extra_files(&beside_store(files, target), &files.directory, grain));
        let brought = brought.transpose()?.unwrap_or_default();
        let records: Vec<&Record> = records.iter().collect();
        let of_records = grain.of_records(image, &records, free.without(of_tree).without(brought))?;
        Ok(Some(Self {
            target: target.map(|target| target.root().to_owned()),
            free: free.bytes,
            needed: of_records.bytes + of_tree.bytes + brought.bytes + grain.of_nars(fetched),
            brought: brought.bytes,
            entries: of_records.entries + of_tree.entries + brought.entries,
        }))
    }
}

/// Those of `files` that come to the file system of the target's store, and that an earlier run has not brought there; to a disk that is not
/// partitioned, all.
fn beside_store<'a>(files: &'a ExtraFiles, target: Option<&Target>) -> Vec<&'a ExtraFile> {
    let device = |path: &Path| {
        let mut there = path.ancestors().filter_map(|path| path.symlink_metadata().ok());
        there.next().map(|meta| meta.dev())
    };
    let length = |path: PathBuf| path.symlink_metadata().map(|meta| meta.len()).ok();
    let needs_room = |target: &Target, file: &ExtraFile| {
        let there = target.inside_path(&file.path);
        let is_there =
            length(there.clone()).is_some_and(|there| Some(there) == length(files.directory.join(&file.path)));
        !is_there && device(&there) == device(&target.store())
    };
    let all = files.files.iter();
    all.filter(|file| target.is_none_or(|target| needs_room(target, file)))
        .collect()
}

/// The bytes of files that a run which was killed had begun to bring: they are removed before those are brought again.
fn begun(files: Option<&ExtraFiles>, target: Option<&Target>) -> u64 {
    let Some((files, target)) = files.zip(target) else {
        return 0;
    };
    let length = |file: &ExtraFile| {
        let new = file.path.with_file_name(new_name(file.path.file_name()?));
        let meta = target.inside_path(&new).symlink_metadata().ok()?;
        meta.is_file().then_some(meta.len())
    };
    files.files.iter().filter_map(length).sum()
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
        let space = DiskSpace::measure(None, Some(4_000_000), None, (tree.path(), None), (&[], 3_000_000));
        // The directory of the configuration has one.
        assert_eq!(space.unwrap().unwrap().needed, 4_000_000 + 4096);
    }

    #[test]
    fn extra_files_take_room_where_the_store_is() {
        let tree = tempfile::tempdir().unwrap();
        let brought = tempfile::tempdir().unwrap();
        std::fs::create_dir(brought.path().join("srv")).unwrap();
        std::fs::write(brought.path().join("srv/image"), vec![1; 10_000]).unwrap();
        let files = ExtraFiles::read(brought.path()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path());
        let measured = |target, disk| {
            let space = DiskSpace::measure(target, disk, None, (tree.path(), Some(&files)), (&[], 0));
            space.unwrap().unwrap()
        };
        // The directory of the configuration, that of the file, and the file.
        let before = measured(None, Some(1_000_000));
        assert_eq!(
            (before.needed, before.brought, before.entries),
            (4096 + 4 * 4096, 4 * 4096, 3)
        );
        assert!(measured(Some(&target), None).brought >= 10_000);
        // As an earlier run has brought it.
        std::fs::create_dir(root.path().join("srv")).unwrap();
        std::fs::copy(brought.path().join("srv/image"), root.path().join("srv/image")).unwrap();
        assert!(measured(Some(&target), None).brought < 10_000);
        std::fs::remove_dir_all(root.path().join("srv")).unwrap();
        // Half of it, when the run was killed.
        let free = || measured(Some(&target), None).free;
        let before = free();
        std::fs::create_dir(root.path().join("srv")).unwrap();
        let half = std::fs::File::create(root.path().join("srv/.image.nix-cfg-install")).unwrap();
        // Other programs write to this disk, too.
        half.set_len(1 << 43).unwrap();
        assert!(free() > before + (1 << 42));
    }
}
