//! The Nix store as files and records.
