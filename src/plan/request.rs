//! What is to be installed where, and the live system that it is installed from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::cache::Cache;
use crate::live::answers::{Answers, Lists, Places};
use crate::live::decisions::{Decisions, Firmware};
use crate::live::earlier_receipt::Receipt;
use crate::live::installer_facts::InstallerFacts;
use crate::live::running_machine::RunningMachine;
use crate::live::target::Target;
use crate::nix::disko::Mode;
use crate::nix::environment::Channels;
use crate::process::Runner;
use crate::progress::Reporter;
use crate::store::live_image::StoreImage;
use crate::tree::feature::NotCovered;
use crate::tree::fingerprint::Side;

/// What was asked for: on the command line, in the settings, in the graphical installer.
#[allow(clippy::struct_excessive_bools)] // Each is asked for on its own.
pub struct Request {
    /// Where to install.
    pub target: Target,
    /// The configuration that was named, and by what (`--source`, the settings).
    pub source: Option<(PathBuf, &'static str)>,
    /// The host that was named.
    pub host: Option<String>,
    /// The host in the settings: that of the ISO, where it has one.
    pub host_of_iso: Option<String>,
    /// The hardware configuration's path in the tree that was named.
    pub hardware_config: Option<PathBuf>,
    /// A directory of files for the installed system.
    pub extra_files: Option<PathBuf>,
    /// The layout for disko is to be made before the installation.
    pub disko: Option<DiskoRequest>,
    /// A disk is to be made before the installation, without disko.
    pub plain_layout: Option<PlainLayout>,
    /// The store path that the target keeps, so that it can be rebuilt without a network.
    pub offline_rebuild: Option<PathBuf>,
    /// What the ISO was made without.
    pub not_covered: Vec<NotCovered>,
    /// What was decided outside the configuration.
    pub decisions: Decisions,
    /// What only the graphical installer knows of this machine.
    pub machine: InstallerFacts,
    /// What was answered about the system, where the settings have it, and what there was to choose from.
    pub answers: Answers,
    pub answer_places: Places,
    /// Whether they were given for this run, and not by the settings alone, which do not replace what an earlier run applied.
    pub answered_now: bool,
    pub lists: Lists,
    /// Whether the target has to be a mount point.
    pub must_be_mounted: bool,
    /// Whether the network may be used.
    pub online: bool,
    /// Whether the boot loader is left alone.
    pub no_bootloader: bool,
    /// The target has a system, which is updated.
    pub update: Option<Update>,
}

/// An update of an installed system, in place of an installation.
pub struct Update {
    /// What the machine has.
    pub receipt: Receipt,
    /// Which side counts where the configuration was changed by hand.
    pub take: Option<Side>,
    /// Whether an older system is accepted.
    pub older: bool,
    /// Whether its host was named for this update: then it may have another name.
    pub host_is_named: bool,
    /// Whether the target is mounted read-only, until it is checked.
    pub is_looked_at: bool,
    /// Absent: it does not run, and is mounted at the target.
    pub running: Option<RunningUpdate>,
}

/// What an update of the running machine needs besides.
pub struct RunningUpdate {
    pub machine: RunningMachine,
    /// The toplevel of the ISO's live system: which ISO it is.
    pub iso: PathBuf,
    /// Store paths of the machine that the live system uses.
    pub used: Vec<String>,
    /// Whether the new system is activated now, and not only at the next start.
    pub switch: bool,
}

/// How a layout for disko is to be made.
pub struct DiskoRequest {
    pub mode: Mode,
    /// Whether an answers file asked for it, and not the command line.
    pub by_answers: bool,
    /// The disks that were chosen: devices by their names in the layout.
    pub disks: BTreeMap<String, String>,
    /// That of its encrypted volumes, where a person is not to be asked for it.
    pub passphrase: Option<SecretString>,
}

/// One disk that is erased and made for the system, as an answers file names it.
#[derive(Clone)]
pub struct PlainLayout {
    pub disk: PathBuf,
    /// What tells it from another disk that gets its name.
    pub identity: String,
    pub firmware: Firmware,
    /// Of the encrypted root; absent where it is not encrypted.
    pub passphrase: Option<SecretString>,
    /// What the disk is marked with when the file systems are made.
    pub mark: String,
    /// Whether it is marked so: an earlier run made them.
    pub is_made: bool,
}

/// The labels of the file systems.
pub const ROOT_LABEL: &str = "nixos";
pub const BOOT_LABEL: &str = "BOOT";

/// The running system, with its programs and its store.
pub struct LiveSystem<'a> {
    /// Starts programs.
    pub runner: &'a Runner,
    /// Shows progress and problems.
    pub report: &'a Reporter,
    /// What a channel configuration is evaluated with.
    pub channels: Channels,
    /// What the store is mounted from, where it can be read without the kernel.
    pub image: Option<StoreImage>,
    /// Where store paths come from that it does not have.
    pub cache: Option<&'a Cache>,
}
