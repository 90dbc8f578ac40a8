//! The user's configuration tree: where it is, what kind it is, which file is this machine's hardware file.

pub mod attributes;
pub mod disko;
pub mod feature;
pub mod flake_lock;
pub mod handwritten;
pub mod hardware;
pub mod import;
pub mod in_tree;
pub mod lint;
pub mod nix_files;
pub mod owner;
pub mod snapshot;
pub mod source;
pub mod subvolumes;
