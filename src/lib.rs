//! Install your own NixOS configuration on a machine that has no network.
//!
//! Data flows one way:
//!
//! ```text
//! settings → source → check → place → build → copy → activate → keep
//! ```
//!
//! A folder imports only what stands above it in this list.

pub mod interrupt;

pub mod report;

pub mod tree;

pub mod settings;

pub mod nix;

pub mod mounts;

pub mod store;

pub mod install;

pub mod calamares;

pub mod iso;

pub mod cli;
