//! An image, and what reads it.

use std::fmt;
use std::sync::Arc;

use crate::directory::{self, Entry};
use crate::error::{Corruption, Error};
use crate::extent::{Extent, Extents, Stored};
use crate::fragment::Fragments;
use crate::inode::{FileType, Inode, InodeRef};
use crate::metadata::{Metadata, Place};
use crate::read_at::ReadAt;
use crate::superblock::Superblock;

/// A squashfs image, for any number of readers.
pub struct Image<R> {
    source: R,
    superblock: Superblock,
    fragments: Fragments,
}

impl<R: ReadAt> Image<R> {
    /// Reads the superblock and the inode of the root directory.
    ///
    /// # Errors
    /// When it is not an image of a supported kind, is corrupt there, or cannot be read.
    pub fn open(source: R) -> Result<Self, Error> {
        let image = Self {
            superblock: Superblock::read(&source)?,
            source,
            fragments: Fragments::default(),
        };
        let root = image.reader()?.inode(image.root())?;
        if root.file_type() != FileType::Directory {
            return Err(Corruption::Root.into());
        }
        Ok(image)
    }

    /// A reader, for one thread. It keeps a few hundred kilobytes of buffers: make one per thread, not one per file.
    ///
    /// # Errors
    /// When there is no memory for the decompressor.
    pub fn reader(&self) -> Result<Reader<'_>, Error> {
        Ok(Reader {
            superblock: &self.superblock,
            fragments: &self.fragments,
            metadata: Metadata::new(&self.source)?,
            block: Vec::new(),
            fragment: Arc::default(),
        })
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> InodeRef {
        InodeRef(self.superblock.root)
    }

    /// How many inodes there are, according to the superblock. Names of one file share its inode.
    #[must_use]
    pub fn inode_count(&self) -> u32 {
        self.superblock.inode_count
    }

    /// Bytes in a block of a file, unpacked; the last block of a file can be shorter.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.superblock.block_size
    }
}

impl<R> fmt::Debug for Image<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("inode_count", &self.superblock.inode_count)
            .field("block_size", &self.superblock.block_size)
            .finish_non_exhaustive()
    }
}

/// Reads an image, on one thread. All that it is asked for fails with [`Error::Io`] when the source cannot be read and
/// with [`Error::Corrupt`] when the image contradicts the format.
pub struct Reader<'a> {
    superblock: &'a Superblock,
    fragments: &'a Fragments,
    metadata: Metadata<'a>,
    /// What was read last.
    block: Vec<u8>,
    fragment: Arc<Vec<u8>>,
}

impl Reader<'_> {
    /// The inode at a place.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn inode(&mut self, node: InodeRef) -> Result<Inode, Error> {
        Inode::at(&mut self.metadata, self.superblock, node)
    }

    /// All inodes, in the order in which they are stored, each once. Nothing more is read from the reader after an error.
    pub fn inodes(&mut self) -> impl Iterator<Item = Result<Inode, Error>> + '_ {
        let (metadata, superblock) = (&mut self.metadata, self.superblock);
        let mut cursor = Some(metadata.cursor(Place {
            block: superblock.inode_table,
            offset: 0,
        }));
        (0..superblock.inode_count).map_while(move |_| {
            let next = cursor.take()?.and_then(|mut place| {
                let inode = Inode::next(metadata, superblock, &mut place)?;
                Ok((inode, place))
            });
            Some(next.map(|(inode, place)| {
                cursor = Some(Ok(place));
                inode
            }))
        })
    }

    /// The entries of a directory, in ascending order of their names.
    ///
    /// # Errors
    /// [`Error::WrongType`] when it is not a directory; see also [`Reader`].
    pub fn entries(&mut self, directory: &Inode) -> Result<Vec<Entry>, Error> {
        directory::entries(&mut self.metadata, self.superblock, directory)
    }

    /// The target of a symbolic link: 1 to 4095 bytes without NUL.
    ///
    /// # Errors
    /// [`Error::WrongType`] when it is not a symbolic link; see also [`Reader`].
    pub fn target(&mut self, link: &Inode) -> Result<Vec<u8>, Error> {
        directory::target(&mut self.metadata, link)
    }

    /// What stands at `path`, whose parts are separated by slashes; a slash at its beginning means nothing. No symbolic
    /// link is followed. `None` when there is nothing, or something on the way is not a directory.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn find(&mut self, path: &[u8]) -> Result<Option<InodeRef>, Error> {
        let mut node = InodeRef(self.superblock.root);
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let inode = self.inode(node)?;
            if inode.file_type() != FileType::Directory {
                return Ok(None);
            }
            let mut entries = self.entries(&inode)?;
            let Ok(index) = entries.binary_search_by(|entry| entry.name.as_slice().cmp(name)) else {
                return Ok(None);
            };
            node = entries.swap_remove(index).node;
        }
        Ok(Some(node))
    }

    /// The extents of a file, which [`Reader::next_extent`] takes one by one, in the order of the contents.
    ///
    /// # Errors
    /// [`Error::WrongType`] when it is not a regular file; see also [`Reader`].
    pub fn extents(&mut self, file: &Inode) -> Result<Extents, Error> {
        Extents::new(&mut self.metadata, self.superblock.block_size, file)
    }

    /// The next extent of a file, or `None` after the last.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn next_extent(&mut self, extents: &mut Extents) -> Result<Option<Extent>, Error> {
        extents.next(&mut self.metadata)
    }

    /// The contents of an extent, [`Extent::len`] bytes. Its file need not have been opened by this reader.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn read(&mut self, extent: Extent) -> Result<&[u8], Error> {
        let length = extent.length as usize;
        match extent.place {
            Stored::Hole => {
                self.block.clear();
                self.block.resize(length, 0);
            }
            Stored::Block(packed) => {
                let most = self.superblock.block_size;
                self.metadata.unpacker.unpack(packed, most, &mut self.block)?;
                let (expected, found) = (extent.length, self.block.len());
                if found != length {
                    return Err(Corruption::WrongBlockLength { expected, found }.into());
                }
            }
            Stored::Fragment { index, offset } => {
                self.fragment = self.fragments.get(&mut self.metadata, self.superblock, index)?;
                let start = offset as usize;
                let tail = start.checked_add(length).and_then(|end| self.fragment.get(start..end));
                return tail.ok_or_else(|| Corruption::Tail.into());
            }
        }
        Ok(&self.block)
    }
}
