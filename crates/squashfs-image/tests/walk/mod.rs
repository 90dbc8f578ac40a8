//! Reads all of an image, whatever it is. The fuzz target uses it too.

use squashfs_image::{Error, FileType, Image, InodeRef, Reader};

/// A corrupt image can hold directories that contain themselves, and holes of any length.
const MOST_BYTES: u64 = 8 << 20;
const MOST_NODES: usize = 10_000;

/// Reads every entry, target and file, and lists all inodes, until the first error.
pub fn walk(bytes: &[u8]) -> Result<(), Error> {
    let image = Image::open(bytes)?;
    let mut reader = image.reader()?;
    tree(&mut reader, image.root())?;
    reader.inodes().take(MOST_NODES).try_for_each(|inode| inode.map(drop))
}

fn tree(reader: &mut Reader<'_>, root: InodeRef) -> Result<(), Error> {
    let (mut left, mut seen) = (MOST_BYTES, 0);
    let mut nodes = vec![root];
    while let Some(node) = nodes.pop().filter(|_| seen < MOST_NODES) {
        seen += 1;
        let inode = reader.inode(node)?;
        match inode.file_type() {
            FileType::Directory => nodes.extend(reader.entries(&inode)?.into_iter().map(|entry| entry.node)),
            FileType::Symlink => drop(reader.target(&inode)?),
            FileType::File => {
                let mut extents = reader.extents(&inode)?;
                while let Some(extent) = reader.next_extent(&mut extents)? {
                    let contents = reader.read(extent)?;
                    assert_eq!(contents.len(), extent.len() as usize);
                    match left.checked_sub(contents.len() as u64) {
                        Some(rest) => left = rest,
                        None => return Ok(()),
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}
