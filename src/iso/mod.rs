//! `nix-cfg-iso`: from a configuration to a directory with a flake that builds an installer ISO (the *ISO directory* and the
//! *ISO flake*), and what Nix modules run while that ISO is built.

mod flake_reference;
mod all_at_once;
mod config_option;
mod desktops;
pub mod channels;
pub mod hosts;
pub mod flake_template;
pub mod programs;
pub mod manifest;
mod staging;
pub mod choices;
pub mod init;
pub mod update;
pub mod generate_config;
pub mod image_closure;
pub mod image_contents;
pub mod size;
pub mod why;
pub mod pin;
pub mod doctor;
mod calamares_files;
pub mod calamares_config;
