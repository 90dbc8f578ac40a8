//! Writes the man pages and the shell completions, for packages: `cargo run --example package-docs -- FOLDER`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use nix_cfg_install::cli::{install_args, iso};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("Say into which folder")?);
    fs::create_dir_all(&folder)?;
    for (name, mut command) in [
        ("nix-cfg-install", install_args::Args::command()),
        ("nix-cfg-iso", iso::Args::command()),
    ] {
        clap_mangen::generate_to(command.clone(), &folder)?;
        for shell in Shell::value_variants() {
            clap_complete::generate_to(*shell, &mut command, name, &folder)?;
        }
    }
    Ok(())
}
