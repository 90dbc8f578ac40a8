//! The Nix store as files and records.

pub mod closure;
pub mod database;
pub mod derivation;
pub mod frontier;
pub mod graph;
pub mod image;
pub mod nar;
pub mod path;
pub mod source;
