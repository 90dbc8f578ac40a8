//! The commands of `nix-cfg-iso` that the modules in nix/ run. They are no interface: hidden in the help, the man pages and the
//! completions.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use crate::iso::calamares_disk::Layouts;

/// What nix/*.nix run.
#[derive(Debug, Subcommand)]
pub enum Internal {
    /// Find what an ISO must hold so that a system and its variants can be rebuilt on another machine (run by nix/closure.nix)
    #[command(hide = true)]
    Frontier(Frontier),
    /// Find what a nixos-generate-config can write (run by nix/closure.nix)
    #[command(hide = true)]
    HardwareFeatures(HardwareFeatures),
    /// Turn the configuration of Calamares into that of an offline installer (run by nix/calamares.nix)
    #[command(hide = true)]
    CalamaresConfig(CalamaresConfig),
    /// Write the files of that configuration that depend on the installed systems (run by nix/calamares.nix)
    #[command(hide = true)]
    CalamaresTargets(CalamaresTargets),
}

/// `nix-cfg-iso frontier`.
#[derive(Debug, ClapArgs)]
pub struct Frontier {
    /// The system (as `target`) and its variants, each as NAME=/nix/store/….drv
    #[arg(required = true, value_name = "NAME=DRV", value_parser = root)]
    pub roots: Vec<(String, PathBuf)>,
    /// A store path of the configuration: packages that are made from it are refused
    #[arg(long = "tree", value_name = "PATH")]
    pub trees: Vec<String>,
    /// Where to write the JSON
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `nix-cfg-iso hardware-features`.
#[derive(Debug, ClapArgs)]
pub struct HardwareFeatures {
    /// The source of nixos-generate-config, where it was found
    #[arg(long, value_name = "FILE")]
    pub generate_config: Option<PathBuf>,
    /// nixpkgs' modules for file systems
    #[arg(long, value_name = "DIR")]
    pub filesystems: PathBuf,
    /// Where to write the JSON
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `nix-cfg-iso calamares-config`.
#[derive(Debug, ClapArgs)]
pub struct CalamaresConfig {
    /// A copy of calamares-nixos-extensions, with its share, lib and perhaps etc; it is changed
    pub package: PathBuf,
    /// Where nix-cfg-install is
    #[arg(long, value_name = "FILE", default_value = "nix-cfg-install")]
    pub helper: PathBuf,
    /// Where the live system will have what calamares-targets writes
    #[arg(long, value_name = "DIR")]
    pub targets: PathBuf,
}

/// `nix-cfg-iso calamares-targets`.
#[derive(Debug, ClapArgs)]
pub struct CalamaresTargets {
    /// The unchanged calamares-nixos-extensions
    pub upstream: PathBuf,
    /// The directory to write
    pub out: PathBuf,
    /// The package that calamares-config changed
    #[arg(long, value_name = "DIR")]
    pub package: PathBuf,
    /// How many bytes the largest system takes
    #[arg(long, value_name = "BYTES")]
    pub closure_bytes: u64,
    /// A normal user of the configuration; may be given more than once
    #[arg(long = "user", value_name = "NAME")]
    pub users: Vec<String>,
    /// The configuration has no normal user, and none can be added
    #[arg(long, conflicts_with = "users")]
    pub no_users: bool,
    /// A host that the person chooses from; given more than once, there is a page for it
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// The hosts are desktops of stock NixOS
    #[arg(long)]
    pub desktops: bool,
    /// What the configuration leaves open and upstream asks for: unfree or autologin; may be given more than once
    #[arg(long = "open", value_name = "KEY")]
    pub open: Vec<String>,
    /// A page whose questions the configuration answers, by its module in Calamares; may be given more than once
    #[arg(long = "decided", value_name = "PAGE")]
    pub decided: Vec<String>,
    /// A file system that the page of partitions does not offer, as Calamares names it; may be given more than once
    #[arg(long = "without-file-system", value_name = "NAME")]
    pub without: Vec<String>,
    /// The layouts for disko of the hosts that have one, as JSON: {"HOST": {"disks": [{"name": "main", "destroy": true}], "asks": true}};
    /// of a single system, the name is empty
    #[arg(long, value_name = "JSON", value_parser = layouts, default_value = "{}")]
    pub layouts: Layouts,
}

fn layouts(text: &str) -> serde_json::Result<Layouts> {
    serde_json::from_str(text)
}

fn root(text: &str) -> Result<(String, PathBuf), String> {
    let (name, drv) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((name.to_owned(), drv.into()))
}
