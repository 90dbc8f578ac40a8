//! `nix-cfg-iso`: from a configuration to a directory with a flake that builds an installer ISO (the *ISO directory* and the
//! *ISO flake*), and what Nix modules run while that ISO is built.

pub mod calamares_config;
mod calamares_files;
pub mod channels;
pub mod doctor;
pub mod flake_template;
pub mod generate_config;
pub mod hosts;
pub mod image_closure;
pub mod image_contents;
pub mod init;
pub mod manifest;
pub mod pin;
pub mod programs;
pub mod size;
pub mod update;
pub mod why;
