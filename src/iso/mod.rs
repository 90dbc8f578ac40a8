//! `nix-cfg-iso`: from a configuration to a directory with a flake that builds an installer ISO (the *ISO directory* and the
//! *ISO flake*), and what Nix modules run while that ISO is built.

mod flake_reference;
mod all_at_once;
pub mod config_option;
mod desktops;
pub mod channels;
pub mod hosts;
pub mod flake_template;
pub mod stock;
pub mod programs;
mod staging;
mod git_state;
mod copied;
mod allowed_secrets;
pub mod manifest;
pub mod fleet_answers;
pub mod choices;
pub mod init;
mod image_file;
mod remaster;
mod changed_settings;
mod output_file;
pub mod customize;
pub mod update;
pub mod generate_config;
pub mod image_closure;
pub mod image_contents;
pub mod size;
pub mod why;
pub mod pin;
pub mod doctor;
pub mod refresh;
pub mod enrol;
mod calamares_files;
mod calamares_chooser;
pub mod calamares_disk;
pub mod calamares_config;
