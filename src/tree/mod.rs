//! The user's configuration tree: where it is, what kind it is, which file is this machine's hardware file.

pub mod accounts;
pub mod attributes;
pub mod disk_layout;
pub mod feature;
pub mod flake_lock;
pub mod hardware;
pub mod hardware_additions;
pub mod import_line;
pub mod lint;
pub mod locate;
pub mod nix_files;
pub mod snapshot;
pub mod source;
pub mod subvolumes;
