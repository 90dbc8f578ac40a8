//! The generator: from a configuration to a folder with a flake that builds an installer ISO.

pub mod calamares_config;
mod calamares_files;
pub mod carried;
pub mod channels;
pub mod doctor;
pub mod emit;
pub mod emitted;
pub mod helpers;
pub mod hosts;
pub mod init;
pub mod manifest;
pub mod medium;
pub mod pin;
pub mod size;
pub mod update;
pub mod why;
