//! Writes the man pages and the shell completions, for packages: `cargo run --example package-docs -- DIRECTORY`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use nix_cfg_install::cli::{install_args, iso_args};

fn main() -> Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).context("usage: package-docs DIRECTORY")?);
    fs::create_dir_all(&directory)?;
    for (name, mut command) in [
        ("nix-cfg-install", install_args::Args::command()),
        ("nix-cfg-iso", iso_args::documented()),
    ] {
        clap_mangen::generate_to(command.clone(), &directory)?;
        for shell in Shell::value_variants() {
            clap_complete::generate_to(*shell, &mut command, name, &directory)?;
        }
    }
    Ok(())
}
