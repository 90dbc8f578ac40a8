//! Install your own NixOS configuration on a machine that has no network.
//!
//! Data flows one way:
//!
//! ```text
//! settings → source → plan → place → build → copy → activate → receipt
//! ```
//!
//! A module imports only what stands above it in this list.

pub mod interrupt;

pub mod files;

pub mod text;

pub mod store_path;

pub mod diagnostic;

pub mod progress;

pub mod log_file;

pub mod process;

pub mod tree;

pub mod settings;

pub mod nix;

pub mod live;

pub mod store;

pub mod plan;

pub mod apply;

pub mod calamares;

pub mod iso;

pub mod cli;
