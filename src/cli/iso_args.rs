//! The command line of `nix-cfg-iso`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args as ClapArgs, CommandFactory, Parser, Subcommand};

use super::iso_internal_args::Internal;
use crate::iso::stock::DESKTOPS;

const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  errors were found, or it failed; they are reported
    2  the command line is wrong
   11  Nix is not installed on this machine
  130  interrupted";

/// Make an installer ISO of your own NixOS configuration, for machines that have no network.
///
/// `nix-cfg-iso init DIR --config TREE` writes a directory with a flake; `nix build path:DIR#iso` makes the image.
#[derive(Debug, Parser)]
#[command(name = "nix-cfg-iso", version, after_help = EXIT_CODES)]
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
    /// Copy the configuration into DIR again, after you changed it
    Refresh(Refresh),
    /// Write what init wrote into DIR again, after an upgrade of this program, and keep your edits; refresh copies the configuration
    Update(Update),
    /// Change a finished ISO, without Nix and without building it: its settings, or its configuration
    Customize(Customize),
    /// Write DIR/nix-cfg-install.answers.yaml: a skeleton of an answers file, for installations without questions
    Answers(Update),
    /// Make a small image to update machines from: it holds only what they lack of the ISO
    Delta(Delta),
    /// Take the public host keys that installations left on a stick into .sops.yaml or secrets.nix
    Enrol(Enrol),
    /// Show why a store path is on the ISO
    Why(Why),
    /// Show how large the parts of the ISO are
    Size(Look),
    /// Write DIR/closure.json, for where import from derivation is forbidden; needed again after every change
    Pin(Look),
    #[command(flatten)]
    Internal(Internal),
}

/// The command line as it is documented: without the commands that [`Internal`] hides. Completions
/// would offer them.
#[must_use]
pub fn documented() -> clap::Command {
    let whole = Args::command();
    let shown = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .cloned();
    let about = whole.get_about().cloned().unwrap_or_default();
    clap::Command::new("nix-cfg-iso")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .long_about(whole.get_long_about().cloned().unwrap_or_default())
        .after_help(EXIT_CODES)
        .subcommands(shown)
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
    /// Stock NixOS in place of a configuration: a desktop, or several, of which the person who installs chooses one
    #[arg(long, value_name = "DESKTOP,…", value_delimiter = ',', value_parser = PossibleValuesParser::new(DESKTOPS),
          conflicts_with_all = ["config", "hosts", "channels", "hardware_config", "allow_secrets"])]
    pub stock: Vec<String>,
    /// Which of a flake's nixosConfigurations to install; may be given more than once [default: the only one]
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// The live system: gnome, plasma6 or another that nixpkgs has with Calamares; `combined` offers several in its boot menu
    /// (nixpkgs 26.11); `none` has no desktop [default: gnome; plasma6 for --stock plasma6 without gnome]
    #[arg(long, value_name = "NAME")]
    pub desktop: Option<String>,
    /// The nixpkgs of a channel configuration [default: that of the running NixOS]
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
    /// Copy private keys as well: whoever has the ISO can read them
    #[arg(long)]
    pub allow_secrets: bool,
}

/// `nix-cfg-iso refresh`.
#[derive(Debug, ClapArgs)]
pub struct Refresh {
    /// The directory that init wrote
    pub dir: PathBuf,
    /// The configuration to copy [default: the directory that was copied before]
    #[arg(long, value_name = "TREE")]
    pub config: Option<PathBuf>,
    /// Report what would change, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Copy private keys as well: whoever has the ISO can read them
    #[arg(long)]
    pub allow_secrets: bool,
    /// Give up edits that were made in the copy
    #[arg(long)]
    pub discard_edits: bool,
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

/// `nix-cfg-iso update`, `nix-cfg-iso answers`.
#[derive(Debug, ClapArgs)]
pub struct Update {
    /// The directory that init wrote
    pub dir: PathBuf,
}

/// `nix-cfg-iso customize`.
#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("change").args(["set", "settings", "config", "extra_files", "answers"]).required(true).multiple(true)))]
pub struct Customize {
    /// The ISO; it is only read
    pub iso: PathBuf,
    /// The file to write; it must not exist
    pub out: PathBuf,
    /// A setting (docs/settings.md), which overrides that of the live system; `null` stands for its default. May be given more
    /// than once. Settings that were changed before stay
    #[arg(long, value_name = "KEY=VALUE", value_parser = channel)]
    pub set: Vec<(String, String)>,
    /// A file of settings, in place of those that were changed before
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// A directory with configuration.nix or flake.nix, which is installed in place of the configuration on the ISO. What it needs
    /// must be on the ISO already: on the machine, `nix-cfg-install --check` reports what is missing
    #[arg(long, value_name = "TREE")]
    pub config: Option<PathBuf>,
    /// Copy private keys as well: whoever has the ISO can read them
    #[arg(long, requires = "config")]
    pub allow_secrets: bool,
    /// Files for the installed system that its configuration does not have, such as keys: DIR/etc/ssh/… becomes /etc/ssh/…
    /// Whoever has the ISO can read them
    #[arg(long, value_name = "DIR")]
    pub extra_files: Option<PathBuf>,
    /// An answers file, for installations without questions (docs/fleet.md)
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
}

/// `nix-cfg-iso delta`.
#[derive(Debug, ClapArgs)]
pub struct Delta {
    /// The directory that `init` wrote, or a flake reference with `#` to what mkOfflineIso gives
    pub dir: String,
    /// What a machine has: its receipt (receipt-SERIAL.json on the stick, /var/lib/nix-cfg-install/receipt.json on the machine), or the
    /// ISO that it was installed from, which makes a larger image. May be given more than once: the image is for all of these machines
    #[arg(long, value_name = "RECEIPT|ISO", required = true)]
    pub since: Vec<PathBuf>,
    /// The secret key that signs the image, as `nix-store --generate-binary-cache-key` makes it. A machine updates itself from the image if it
    /// trusts the public half (nix.settings.trusted-public-keys)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE", default_value = "update.iso")]
    pub out: PathBuf,
    /// More arguments for `nix build`
    #[arg(last = true, value_name = "NIX-ARG")]
    pub nix_args: Vec<OsString>,
}

/// `nix-cfg-iso enrol`.
#[derive(Debug, ClapArgs)]
pub struct Enrol {
    /// The configuration, with .sops.yaml or secrets.nix in it; or the directory that init wrote, for the one that was copied
    pub dir: PathBuf,
    /// host-keys-SERIAL.pub of an installation, or the directory that has such files; or the public key of another machine, as HOST.pub
    /// [default: the stick with the label NIXCFG, where it is mounted]
    pub keys: Vec<PathBuf>,
    /// The secrets that the machines are to open [default: those of other machines of the same host, of the only rule, or of the
    /// rules with the name of the host]
    #[arg(long = "for", value_name = "FILE", num_args = 1..)]
    pub secrets: Vec<PathBuf>,
    /// Show what would change, and write nothing
    #[arg(long)]
    pub dry_run: bool,
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

fn channel(text: &str) -> Result<(String, String), String> {
    let (name, reference) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((name.to_owned(), reference.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_documented_has_no_internal_commands_and_those_can_be_run() {
        let documented = documented();
        let shown: Vec<&str> = documented.get_subcommands().map(clap::Command::get_name).collect();
        let internal = ["frontier", "hardware-features", "calamares-config", "calamares-targets"];
        assert!(shown.contains(&"init") && shown.contains(&"pin"), "{shown:?}");
        let help = Args::command().render_long_help().to_string();
        for name in internal {
            assert!(!shown.contains(&name), "{name} is documented");
            assert!(!help.contains(name), "{name} is in the help");
            assert!(Args::command().find_subcommand(name).is_some(), "{name} cannot be run");
        }
        assert!(help.contains("11  Nix is not installed"), "{help}");
    }
}
