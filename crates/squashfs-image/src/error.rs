//! What can be wrong with an image.

use std::fmt;
use std::io;

/// Why something could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source of the image could not be read.
    Io(io::Error),
    /// The image does not begin with the magic number of squashfs.
    NotSquashfs,
    /// A squashfs of another version than 4.0.
    UnsupportedVersion {
        /// 4 in 4.0.
        major: u16,
        /// 0 in 4.0.
        minor: u16,
    },
    /// A compressor other than zstd, by its number in the superblock: 1 gzip, 2 lzma, 3 lzo, 4 xz, 5 lz4.
    UnsupportedCompressor(u16),
    /// The inode is not of the type that the call is for, for example the entries of a regular file.
    WrongType,
    /// The image contradicts the format.
    Corrupt(Corruption),
}

/// How an image contradicts the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// It refers to a place beyond its end.
    OutOfImage,
    /// It refers to a place beyond the end of a metadata block.
    OutOfMetadataBlock,
    /// The block size is not a power of two from 4 KiB to 1 MiB.
    BlockSize(u32),
    /// A compressed block is not a zstd frame, or unpacks to more than a block can hold.
    CompressedBlock,
    /// A block is stored with this many bytes, more than a block can hold.
    BlockTooLong(u32),
    /// A block does not unpack to as many bytes as the file has there.
    WrongBlockLength {
        /// In bytes.
        expected: u32,
        /// In bytes.
        found: usize,
    },
    /// A metadata block without contents.
    EmptyMetadataBlock,
    /// An inode of an unknown type.
    InodeType(u16),
    /// The root is not a directory.
    Root,
    /// A directory's size ends within an entry.
    DirectorySize,
    /// A name that is longer than 255 bytes, is `.` or `..`, or has a slash or NUL in it.
    Name,
    /// The names of a directory are not in strictly ascending order.
    NameOrder,
    /// A symbolic link's target that is empty, longer than 4095 bytes, or has a NUL in it.
    LinkTarget,
    /// There is no fragment of this number.
    FragmentIndex(u32),
    /// A file's tail lies beyond the end of its fragment.
    Tail,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => write!(f, "the image cannot be read"),
            Self::NotSquashfs => write!(f, "not a squashfs image"),
            Self::UnsupportedVersion { major, minor } => {
                write!(f, "squashfs {major}.{minor} is not supported, only 4.0")
            }
            Self::UnsupportedCompressor(number) => {
                write!(f, "compressor {number} is not supported, only zstd (6)")
            }
            Self::WrongType => write!(f, "the inode has another type"),
            Self::Corrupt(corruption) => write!(f, "corrupt image: {corruption}"),
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfImage => write!(f, "a reference beyond the end of the image"),
            Self::OutOfMetadataBlock => write!(f, "a reference beyond the end of a metadata block"),
            Self::BlockSize(size) => write!(f, "a block size of {size} bytes"),
            Self::CompressedBlock => write!(f, "a block cannot be decompressed"),
            Self::BlockTooLong(length) => write!(f, "a block of {length} bytes"),
            Self::WrongBlockLength { expected, found } => {
                write!(f, "a block of {found} bytes where {expected} were expected")
            }
            Self::EmptyMetadataBlock => write!(f, "an empty metadata block"),
            Self::InodeType(number) => write!(f, "an inode of type {number}"),
            Self::Root => write!(f, "the root is not a directory"),
            Self::DirectorySize => write!(f, "a directory ends within an entry"),
            Self::Name => write!(f, "an invalid name"),
            Self::NameOrder => write!(f, "the names of a directory are not in order"),
            Self::LinkTarget => write!(f, "an invalid target of a symbolic link"),
            Self::FragmentIndex(index) => write!(f, "there is no fragment {index}"),
            Self::Tail => write!(f, "the tail of a file lies beyond the end of its fragment"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Corruption> for Error {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}

/// The end of the image is known only by reading beyond it, so that is corruption and not a failure of the source.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Corrupt(Corruption::OutOfImage);
        }
        Self::Io(error)
    }
}
