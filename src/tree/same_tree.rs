//! Comparing two trees.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use walkdir::WalkDir;

use super::snapshot::OWNER_WRITES;

/// Whether two trees have the same names, kinds, modes, contents and links. Times and whether the owner may write do not count.
///
/// # Errors
/// When something cannot be read.
pub fn same_tree(a: &Path, b: &Path) -> Result<bool> {
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
    // Every copy has this bit; what git added to the snapshot has it only in the copy on the target.
    let mode = |meta: &fs::Metadata| meta.mode() | if meta.is_symlink() { 0 } else { OWNER_WRITES };
    if mode(&meta_a) != mode(&meta_b) {
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
