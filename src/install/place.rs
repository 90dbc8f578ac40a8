//! The tree into the target's etc/nixos: made beside it, swapped in at once, what was there before kept.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::disk::require_space;
use super::target::Target;
use crate::interrupt::Interrupt;
use crate::tree::snapshot::{Copier, nothing};

/// What a later run must know: written before the swap, so that it can be finished or undone after a power cut.
#[derive(Debug, Serialize, Deserialize)]
pub struct Placement {
    /// Where in etc/nixos this machine's hardware configuration is.
    pub hardware: PathBuf,
    /// The inode of the new folder: where it stands tells how far the swap came.
    inode: u64,
    /// The name under which the old folder is kept.
    before: PathBuf,
}

impl Placement {
    /// What an earlier run wrote, if any did.
    #[must_use]
    pub fn load(target: &Target) -> Option<Self> {
        let text = fs::read(target.placement()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn save(&self, target: &Target) -> Result<()> {
        write_whole(&target.placement(), &serde_json::to_vec_pretty(self)?)
    }
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    /// The target already had exactly this tree.
    Same,
    /// It is new; what was there before is kept at this path, if there was anything.
    New(Option<PathBuf>),
}

/// Makes `snapshot` the target's etc/nixos. `hardware` is the path of the hardware configuration in it, `stamp` names
/// what is kept.
///
/// # Errors
/// When the target cannot be written, or on interruption; what was in etc/nixos is then untouched.
pub fn place(target: &Target, snapshot: &Path, hardware: &Path, stamp: &str, interrupt: &Interrupt) -> Result<Placed> {
    finish_earlier(target)?;
    let etc_nixos = target.etc_nixos();
    if same_tree(snapshot, &etc_nixos)? {
        return Ok(Placed::Same);
    }
    let staging = target.staging();
    let result = stage_and_swap(target, snapshot, hardware, stamp, interrupt);
    if result.is_err() && Placement::load(target).is_none_or(|placement| is_inode(&staging, placement.inode)) {
        // The new folder is still the staged one: the old one is in its place.
        remove(&staging)?;
    }
    result
}

fn stage_and_swap(
    target: &Target,
    snapshot: &Path,
    hardware: &Path,
    stamp: &str,
    interrupt: &Interrupt,
) -> Result<Placed> {
    let staging = target.staging();
    let what = || format!("Failed to make {}", staging.display());
    fs::create_dir_all(&staging).with_context(what)?;
    require_space(&staging, fs_extra::dir::get_size(snapshot)?)?;
    let copier = Copier {
        owners: None,
        interrupt,
        leave_out: nothing,
    };
    copier.copy(&File::open(snapshot)?.into(), &staging)?;
    // The snapshot's own folder is private; etc/nixos is not.
    fs::set_permissions(&staging, std::os::unix::fs::PermissionsExt::from_mode(0o755)).with_context(what)?;
    sync(&staging)?;
    let placement = Placement {
        hardware: hardware.to_owned(),
        inode: fs::metadata(&staging).with_context(what)?.ino(),
        before: target.etc_nixos_before(stamp),
    };
    placement.save(target)?;
    swap(target)?;
    let kept = finish_earlier(target)?;
    sync(&target.etc_nixos())?;
    Ok(Placed::New(kept))
}

/// Exchanges etc/nixos and the staged folder at once, or moves the staged one there when nothing is in the way.
fn swap(target: &Target) -> Result<()> {
    let (new, old) = (target.staging(), target.etc_nixos());
    let what = || format!("Failed to put {} in its place", old.display());
    match renameat2(AT_FDCWD, &new, AT_FDCWD, &old, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::ENOENT) => fs::rename(&new, &old).with_context(what),
        // A file system that cannot exchange: two steps, and a power cut between them is mended by the next run.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            let placement = Placement::load(target).with_context(what)?;
            fs::rename(&old, &placement.before).with_context(what)?;
            fs::rename(&new, &old).with_context(what)
        }
        Err(error) => Err(error).with_context(what),
    }
}

/// Brings an earlier swap to its end: what is in the staging place is either the old folder, which is kept, or a new one
/// that did not get further, which is removed. Gives where the old one is kept.
fn finish_earlier(target: &Target) -> Result<Option<PathBuf>> {
    let staging = target.staging();
    let placement = Placement::load(target);
    if let Some(placement) = &placement {
        let (staged, before) = (is_inode(&staging, placement.inode), &placement.before);
        if staged && !target.etc_nixos().exists() && before.exists() {
            let what = || format!("Failed to put {} back", before.display());
            fs::rename(before, target.etc_nixos()).with_context(what)?;
        }
        if !staged && staging.exists() {
            fs::rename(&staging, before).with_context(|| format!("Failed to keep {}", before.display()))?;
        }
    }
    remove(&staging)?;
    Ok(placement
        .map(|placement| placement.before)
        .filter(|before| before.exists()))
}

fn is_inode(path: &Path, inode: u64) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.ino() == inode)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("Failed to remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Makes what is in `folder`'s file system survive a power cut.
fn sync(folder: &Path) -> Result<()> {
    let what = || format!("Failed to write {} to the disk", folder.display());
    let folder = File::open(folder).with_context(what)?;
    nix::unistd::syncfs(&folder).with_context(what)
}

/// Writes a file so that it is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || format!("Failed to write {}", path.display());
    let folder = path.parent().with_context(what)?;
    fs::create_dir_all(folder).with_context(what)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(what)?;
    file.write_all(bytes).with_context(what)?;
    file.as_file().sync_all().with_context(what)?;
    file.persist(path).with_context(what)?;
    Ok(())
}

/// Whether two trees have the same names, kinds, modes, contents and links. Times do not count.
fn same_tree(a: &Path, b: &Path) -> Result<bool> {
    if !b.is_dir() {
        return Ok(false);
    }
    let list = |root: &Path| {
        let root = root.to_owned();
        let entries = WalkDir::new(&root).min_depth(1).sort_by_file_name().into_iter();
        entries.map(move |entry| {
            let entry = entry?;
            Ok::<_, anyhow::Error>((entry.path().strip_prefix(&root)?.to_owned(), entry))
        })
    };
    let (mut left, mut right) = (list(a), list(b));
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => return Ok(true),
            (Some((name_a, a)), Some((name_b, b))) if name_a == name_b => {
                if !same_entry(&a, &b)? {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}

fn same_entry(a: &walkdir::DirEntry, b: &walkdir::DirEntry) -> Result<bool> {
    let (meta_a, meta_b) = (a.metadata()?, b.metadata()?);
    if meta_a.mode() != meta_b.mode() {
        return Ok(false);
    }
    if meta_a.is_symlink() {
        return Ok(fs::read_link(a.path())? == fs::read_link(b.path())?);
    }
    if meta_a.is_file() {
        return Ok(meta_a.len() == meta_b.len() && fs::read(a.path())? == fs::read(b.path())?);
    }
    Ok(true)
}
