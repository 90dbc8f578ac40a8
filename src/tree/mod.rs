//! The user's configuration tree: where it is, what kind it is, which file is this machine's hardware file.

pub mod attributes;
pub mod disks;
pub mod feature;
pub mod files;
pub mod handwritten;
pub mod hardware;
pub mod import;
pub mod lint;
pub mod lock;
pub mod owner;
pub mod place;
pub mod snapshot;
pub mod source;
pub mod subvolumes;
