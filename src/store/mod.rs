//! The Nix store as files and records.

pub mod database;
pub mod derivation;
pub mod graph;
pub mod closure;
pub mod cached;
pub mod contents;
pub mod frontier;
pub mod live_image;
pub mod nar;
pub mod reading;
pub mod room;
pub mod update_store;
