//! The command line of `nix-cfg-iso`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Make an installer ISO of your own NixOS configuration, for machines that have no network.
///
/// `nix-cfg-iso init DIR --config TREE` writes a directory with a flake; `nix build path:DIR#iso` makes the image.
#[derive(Debug, Parser)]
#[command(name = "nix-cfg-iso", version)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What `nix-cfg-iso` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a new directory with a flake that builds the ISO
    Init(Init),
    /// Report what would go wrong, before the ISO is built
    Doctor(Doctor),
    /// Bring a directory that init wrote up to date with this version of the program, and keep your edits
    Update(Update),
    /// Find what an ISO must hold so that a system and its variants can be rebuilt on another machine (run by nix/closure.nix)
    Frontier(Frontier),
    /// Find what a nixos-generate-config can write (run by nix/closure.nix)
    HardwareFeatures(HardwareFeatures),
    /// Show why a store path is on the ISO
    Why(Why),
    /// Show how large the parts of the ISO are
    Size(Look),
    /// Write DIR/closure.json, for where import from derivation is forbidden; needed again after every change
    Pin(Look),
    /// Turn the configuration of Calamares into that of an offline installer (run by nix/calamares.nix)
    CalamaresConfig(CalamaresConfig),
    /// Write the files of that configuration that depend on the installed systems (run by nix/calamares.nix)
    CalamaresTargets(CalamaresTargets),
}

/// `nix-cfg-iso init`.
#[derive(Debug, ClapArgs)]
pub struct Init {
    /// The directory to write; it must be empty or not exist
    pub dir: PathBuf,
    /// The configuration to install: a directory with configuration.nix or flake.nix. On a terminal, init asks for it and for
    /// whatever else is missing
    #[arg(long, value_name = "TREE")]
    pub config: Option<PathBuf>,
    /// Which of a flake's nixosConfigurations to install; may be given more than once [default: the only one]
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// The live system: gnome, plasma6 or another that nixpkgs has with Calamares; `combined` offers several in its boot menu
    /// (nixpkgs 26.11); `none` has no desktop [default: gnome]
    #[arg(long, value_name = "NAME")]
    pub desktop: Option<String>,
    /// The nixpkgs of a channel configuration [default: the release of the running NixOS]
    #[arg(long, value_name = "FLAKEREF")]
    pub nixpkgs: Option<String>,
    /// Another channel that a channel configuration looks up as <NAME/…>; may be given more than once
    #[arg(long = "channel", value_name = "NAME=FLAKEREF", value_parser = channel)]
    pub channels: Vec<(String, String)>,
    /// The system of the ISO: x86_64-linux or aarch64-linux [default: that of this machine]
    #[arg(long, value_name = "SYSTEM")]
    pub system: Option<String>,
    /// This machine's hardware-configuration.nix, relative to the top of the configuration
    #[arg(long, value_name = "PATH-IN-TREE")]
    pub hardware_config: Option<PathBuf>,
    /// Let the flake take the installer from its repository and build it from source, instead of copying the one that this
    /// program came with
    #[arg(long)]
    pub build_helper: bool,
}

/// `nix-cfg-iso doctor`.
#[derive(Debug, ClapArgs)]
pub struct Doctor {
    /// The directory that init wrote
    pub dir: PathBuf,
    /// Check only the files. Otherwise Nix evaluates the systems, which may fetch their inputs
    #[arg(long)]
    pub no_eval: bool,
    /// Also check for the machine that FILE describes: the output of `nix-cfg-install --describe` there, or a report of
    /// nixos-facter
    #[arg(long, value_name = "FILE", conflicts_with = "no_eval")]
    pub machine: Option<PathBuf>,
    /// Which of the ISO's hosts that machine becomes [default: the only one]
    #[arg(long, value_name = "NAME", requires = "machine")]
    pub host: Option<String>,
}

/// `nix-cfg-iso update`.
#[derive(Debug, ClapArgs)]
pub struct Update {
    /// The directory that init wrote
    pub dir: PathBuf,
}

/// `nix-cfg-iso why`.
#[derive(Debug, ClapArgs)]
pub struct Why {
    /// The directory that `init` wrote, or a flake reference with `#` to what mkOfflineIso gives
    pub dir: String,
    /// The store path
    pub path: String,
    /// More arguments for `nix eval`
    #[arg(last = true, value_name = "NIX-ARG")]
    pub nix_args: Vec<OsString>,
}

/// `nix-cfg-iso size` and `nix-cfg-iso pin`.
#[derive(Debug, ClapArgs)]
pub struct Look {
    /// The directory that `init` wrote, or a flake reference with `#` to what mkOfflineIso gives
    pub dir: String,
    /// More arguments for `nix eval`
    #[arg(last = true, value_name = "NIX-ARG")]
    pub nix_args: Vec<OsString>,
}

/// `nix-cfg-iso frontier`.
#[derive(Debug, ClapArgs)]
pub struct Frontier {
    /// The system (as `target`) and its variants, each as NAME=/nix/store/….drv; `relocated` is the system from a copy of its
    /// tree at another store path
    #[arg(required = true, value_name = "NAME=DRV", value_parser = root)]
    pub roots: Vec<(String, PathBuf)>,
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

fn channel(text: &str) -> Result<(String, String), String> {
    let (name, reference) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((name.to_owned(), reference.to_owned()))
}

fn root(text: &str) -> Result<(String, PathBuf), String> {
    let (name, drv) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((name.to_owned(), drv.into()))
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
    /// The configuration has no normal user at all
    #[arg(long, conflicts_with = "users")]
    pub no_users: bool,
    /// A host that the person chooses from; given more than once, there is a page for it
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// A file system that the page of partitions does not offer, as Calamares names it; may be given more than once
    #[arg(long = "without-file-system", value_name = "NAME")]
    pub without: Vec<String>,
}
