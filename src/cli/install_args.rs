//! The command line of `nix-cfg-install`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Parser, Subcommand, ValueEnum};

use super::update_args::UpdateArgs;
use crate::cache::{is_public_key, is_secret_key, is_url};
use crate::nix::disko::Mode;
use crate::progress::Format;

const EXIT_CODES: &str = "\
Exit codes:
    0  done
    2  the command line or the settings are wrong
    3  the configuration or the target was refused; nothing was written
    4  placing the configuration failed
    5  building the system failed
    6  copying the system failed
    7  activating the system or installing its boot loader failed
    8  writing the receipt failed
    9  the installed system would not start as it is
   10  not started as root
   11  Nix is not installed on this machine
   12  making the layout of the disk failed
  130  interrupted

After a failure, run the same command again: it continues where it stopped. The log is in /var/log/nix-cfg-install
of the target and of the live system.";

/// What conflicts with --disko does so with its options as well: clap (4.5) does not ask for what an option requires where that cannot be
/// given, and they would have no effect.
const WITHOUT_DISKO: [&str; 3] = ["answers_file", "calamares", "not_mounted"];

/// Install your own NixOS configuration on a machine that has no network.
///
/// Takes the configuration in /tmp/nix-cfg, or else the one that the ISO brought in /iso/nix-cfg, puts it into the
/// target's /etc/nixos with this machine's hardware-configuration.nix, builds it offline from what is on the ISO, and
/// installs it. Usually: mount the target at /mnt and run `nix-cfg-install`.
#[derive(Debug, Clone, Parser)]
#[command(name = "nix-cfg-install", version, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
#[allow(clippy::struct_excessive_bools)] // Each is a switch of the command line.
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Mount point of the new root file system [default: /mnt]
    #[arg(long, value_name = "DIR")]
    pub target: Option<PathBuf>,
    /// Install the configuration in DIR instead of the standard places
    #[arg(long, value_name = "DIR")]
    pub source: Option<PathBuf>,
    /// Which of a flake's nixosConfigurations to install
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// This machine's hardware-configuration.nix, relative to the top of the configuration
    #[arg(long, value_name = "PATH-IN-TREE")]
    pub hardware_config: Option<PathBuf>,
    /// Answer what the configuration leaves open, such as timezone=Europe/Berlin; may be given more than once. Keys: timezone,
    /// locale and its parts, keymap, layout, variant, hostname, user, fullname, autologin, unfree
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub answers: Vec<String>,
    /// Files for the installed system that its configuration does not have, such as keys: DIR/etc/ssh/… becomes /etc/ssh/…
    #[arg(long, value_name = "DIR")]
    pub extra_files: Option<PathBuf>,
    /// Make the disks as the configuration's layout for disko wants them, and mount them at the target, after the check and before
    /// the installation
    #[arg(long, value_enum, value_name = "MODE", conflicts_with_all = WITHOUT_DISKO)]
    pub disko: Option<Mode>,
    /// The device that is a disk of the layout, such as main=/dev/disk/by-id/…; may be given more than once
    #[arg(long = "disk", value_name = "NAME=DEVICE", requires = "disko", conflicts_with_all = WITHOUT_DISKO)]
    pub disks: Vec<String>,
    /// A file with the passphrase of the layout's encrypted volumes, instead of asking for it
    #[arg(long, value_name = "FILE", requires = "disko", conflicts_with_all = WITHOUT_DISKO)]
    pub passphrase_file: Option<PathBuf>,
    /// Erase or change the disks of the layout without asking
    #[arg(long, requires = "disko", conflicts_with_all = WITHOUT_DISKO)]
    pub yes: bool,
    /// Install or update as an answers file says, without questions: which machine becomes which host, on which disks, which an
    /// installation erases (docs/fleet.md) [default file: nix-cfg-install.answers.yaml on a stick with the label NIXCFG, or on the ISO]
    #[arg(long = "answers", value_name = "FILE", num_args = 0..=1,
        conflicts_with_all = ["calamares", "target", "host", "answers", "extra_files", "not_mounted", "no_bootloader"])]
    #[allow(clippy::option_option)] // Named, not named, and not asked for.
    pub answers_file: Option<Option<PathBuf>>,
    /// Install from the binary cache at URL, such as <https://cache.example>, what the live system does not have; given more than once,
    /// servers that hold the same
    #[arg(long, value_name = "URL", value_parser = address, conflicts_with = "online")]
    pub medium: Vec<String>,
    /// A key whose signatures count at the cache, as `nix key convert-secret-to-public` prints it; may be given more than once
    #[arg(long = "public-key", value_name = "NAME:KEY", value_parser = PublicKey)]
    pub public_keys: Vec<String>,
    /// Settings file [default: /etc/nix-cfg-install.yaml, /iso/nix-cfg-install.yaml and /run/nix-cfg-install.yaml, each if it exists;
    /// a key of a later one overrides that of an earlier one]
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Report everything that would make the installation fail, show the plan, and write nothing. Works without a target
    #[arg(long, visible_alias = "dry-run")]
    pub check: bool,
    /// Check, and read everything that the installation needs from the ISO, to find damage; write nothing
    #[arg(long)]
    pub verify_store: bool,
    /// Print a report of this machine as JSON, for `nix-cfg-iso doctor --machine`; mounts and writes nothing, and does not need
    /// root
    #[arg(long, exclusive = true)]
    pub describe: bool,
    /// Print the disks that can be erased for an installation, with what is on them, as JSON; writes nothing. Neither the ISO's own
    /// medium nor sticks, cards and USB disks are among them
    #[arg(long, exclusive = true)]
    pub list_disks: bool,
    /// Allow the network and substituters
    #[arg(long)]
    pub online: bool,
    /// Do not install a boot loader
    #[arg(long)]
    pub no_bootloader: bool,
    /// Install to a directory that is not a mount point
    #[arg(long)]
    pub not_mounted: bool,
    /// Run as a job of Calamares: globalStorage as one line of JSON on stdin, events as JSON on stdout; stops when stdin ends
    #[arg(long, value_enum, value_name = "STEP", conflicts_with_all = ["target", "check", "verify_store", "progress"])]
    pub calamares: Option<Step>,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t, value_name = "HOW", global = true)]
    pub progress: Format,
    /// Show more; twice: everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Write the log to FILE as well
    #[arg(long, value_name = "FILE", global = true)]
    pub log: Option<PathBuf>,
}

/// What else it does.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    Update(UpdateArgs),
    /// Say what this machine has, from which ISO, and what was changed by hand in /etc/nixos
    Status,
}

impl Args {
    /// Whether the target is to be written to.
    pub fn installs(&self) -> bool {
        !self.check && !self.verify_store && self.calamares != Some(Step::Check)
    }
}

fn address(text: &str) -> Result<String, &'static str> {
    let wanted =
        "an address of a binary cache begins with https://, http://, s3:// or file:/// and cannot have `trusted`";
    is_url(text).then(|| text.to_owned()).ok_or(wanted)
}

/// Reads a public key. The words of clap would repeat a secret key that was given in its place.
#[derive(Clone)]
struct PublicKey;

impl TypedValueParser for PublicKey {
    type Value = String;

    fn parse_ref(&self, command: &clap::Command, _: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        let text = value.to_str().unwrap_or_default();
        let wanted = if is_public_key(text) {
            return Ok(text.to_owned());
        } else if is_secret_key(text) {
            "--public-key takes a public key, and this is a secret key: give its public half, which is in the other file or which \
             nix key convert-secret-to-public prints"
        } else {
            "--public-key takes a public key, which is a name, a colon, and 32 bytes in base 64"
        };
        Err(clap::Error::raw(ErrorKind::ValueValidation, format!("{wanted}\n")).with_cmd(command))
    }
}

/// A job of Calamares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// The check, before anything is partitioned
    Check,
    /// The installation, when the target is mounted
    Install,
    /// The installation on the disks that were chosen on the page "Disk", which are erased after the check
    Disko,
}

impl ValueEnum for Mode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Wipe, Self::Format, Self::Mount]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Wipe => "Erase the disks, make the layout, mount it",
            Self::Format => "Make what is missing of the layout, mount it",
            Self::Mount => "Mount a layout that was made before",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Plain, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Auto => ("auto", "A progress bar on a terminal, plain lines otherwise"),
            Self::Plain => ("plain", "One line per change, for logs"),
            Self::Json => ("json", "One JSON object per line on stdout"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_in_the_place_of_the_public_one_is_not_repeated() {
        let key = |length| format!("room-1:{}", data_encoding::BASE64.encode(&vec![1; length]));
        let parsed = |key: &str| Args::try_parse_from(["x", "--public-key", key]);
        assert_eq!(parsed(&key(32)).unwrap().public_keys, [key(32)]);
        for (length, expected) in [(64, "give its public half"), (48, "32 bytes in base 64")] {
            let said = parsed(&key(length)).unwrap_err().to_string();
            assert!(said.contains(expected) && !said.contains("AQEBAQEB"), "{said}");
        }
    }

    #[test]
    fn an_option_of_disko_without_it_is_refused_whatever_else_is_given() {
        let options: [&[&str]; 3] = [&["--disk", "main=/dev/sda"], &["--passphrase-file", "/f"], &["--yes"]];
        let modes: [&[&str]; 4] = [&[], &["--answers"], &["--calamares", "install"], &["--not-mounted"]];
        let parsed = |words: &[&[&str]]| Args::try_parse_from(std::iter::once("x").chain(words.concat())).is_ok();
        for option in options {
            assert!(parsed(&[&["--disko", "wipe"], option]), "{option:?}");
            for mode in modes {
                assert!(!parsed(&[mode, option]), "{mode:?} {option:?}");
                assert!(!parsed(&[mode, &["--disko", "wipe"], option]) || mode.is_empty());
            }
        }
    }
}
