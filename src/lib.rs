//! Install your own NixOS configuration on a machine that has no network.
//!
//! Data flows one way:
//!
//! ```text
//! settings → source → plan → place → build → copy → activate → receipt
//! ```
//!
//! A module imports only what stands above it in this list.

mod interrupt;

mod text;

mod yaml;

mod files;

mod locked_directory;

mod store_path;

mod age_recipient;

mod cache;

mod memory;

mod diagnostic;

mod progress;

mod log_file;

mod process;

mod tree;

mod settings;

mod answers_file;

mod nix;

mod live;

mod store;

mod plan;

mod apply;

mod calamares;

mod iso;

pub mod cli;

/// What the tests of tests/rig and the examples use of it. It is no interface: this library is an implementation detail.
#[doc(hidden)]
pub mod for_tests {
    pub use crate::apply::Ahead;
    pub use crate::apply::copy::{Stores, copy};
    pub use crate::calamares::globals::Globals;
    pub use crate::interrupt::Interrupt;
    pub use crate::iso::calamares_config::{InstalledSystems, OF_TARGETS, derive, derive_targets};
    pub use crate::iso::image_closure::ImageClosure;
    pub use crate::iso::stock;
    pub use crate::live::answers;
    pub use crate::live::choices_nix::choose;
    pub use crate::live::in_place;
    pub use crate::live::installer_facts::InstallerFacts;
    pub use crate::live::target::Target;
    pub use crate::nix::environment::{Channels, Network, environment};
    pub use crate::nix::explain::{Context, RULES, Words, recognize};
    pub use crate::nix::open;
    pub use crate::plan::phases;
    pub use crate::process::Runner;
    pub use crate::progress::{Format, Reporter};
    pub use crate::store::closure::{Work, nearest_option};
    pub use crate::store::contents::Mounted;
    pub use crate::store::frontier::{Leaves, frontier};
    pub use crate::store::graph::{Graph, Id};
    pub use crate::store::live_image::StoreImage;
    pub use crate::store::nar::Archive;
    pub use crate::store_path::store_name;
    pub use crate::tree::feature::{Feature, FeatureKind, NotCovered};
}
