//! The user's configuration tree: where it is, what kind it is, which file is this machine's hardware file, and what its files
//! show without an evaluation.

pub mod source;

pub(crate) mod syntax;

pub mod nix_files;

pub mod special_files;

pub mod accounts;

pub mod feature;

pub mod attributes;

pub mod import_line;

pub mod subvolumes;

pub mod locate;

pub mod disk_layout;

pub mod flake_hosts;

mod host_files;

pub mod hardware;

pub mod hardware_additions;

pub mod flake_lock;

pub mod declared_inputs;

pub mod lint;

pub mod extra_files;

pub mod private_copy;

pub mod snapshot;

pub mod same_tree;

pub mod fingerprint;
