//! The Nix store as files and records.

pub mod closure;
pub mod derivation;
