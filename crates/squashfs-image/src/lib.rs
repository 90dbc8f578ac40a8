#![doc = include_str!("../README.md")]
// A module imports only what stands above it in this list.
#![warn(missing_docs)]

mod error;
mod read_at;

mod superblock;

mod unpack;

mod metadata;

mod inode;

mod directory;

mod extent;

mod fragment;

mod image;

pub use directory::Entry;
pub use error::{Corruption, Error};
pub use extent::{Extent, Extents};
pub use image::{Image, Reader};
pub use inode::{FileType, Inode, InodeRef};
pub use read_at::ReadAt;
