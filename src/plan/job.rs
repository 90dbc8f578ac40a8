//! One installation, as it was asked for.

use std::collections::HashMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::live::decisions::Decisions;
use crate::live::installer_facts::InstallerFacts;
use crate::live::target::Target;
use crate::log_file::LogFile;
use crate::nix::environment::Channels;
use crate::process::Runner;
use crate::progress::Reporter;
use crate::store::live_image::Image;
use crate::tree::feature::NotCovered;
use crate::tree::source::ConfigKind;

/// One installation, as it was asked for.
#[allow(clippy::struct_excessive_bools)] // Independent wishes of a person.
pub struct Job<'a> {
    /// Where to.
    pub target: Target,
    /// The tree that was named, and by whom.
    pub source: Option<(PathBuf, &'static str)>,
    /// The host that was named.
    pub host: Option<String>,
    /// The hardware configuration's path in the tree that was named.
    pub hardware_config: Option<PathBuf>,
    /// The channels of a channel configuration: what `runner` finds by their names.
    pub channels: Channels,
    /// What the medium was made without.
    pub not_covered: Vec<NotCovered>,
    /// The store path that the target keeps, so that it can be rebuilt without a network.
    pub offline_rebuild: Option<PathBuf>,
    /// What was decided outside the configuration.
    pub decisions: Decisions,
    /// What only the graphical installer knows of this machine.
    pub machine: InstallerFacts,
    /// The passphrases of its encrypted volumes, by partition, where they are known.
    pub passphrases: HashMap<PathBuf, SecretString>,
    /// Whether the target has to be a mount point.
    pub must_be_mounted: bool,
    /// Whether the network may be used.
    pub online: bool,
    /// Whether the boot loader is left alone.
    pub no_bootloader: bool,
    /// Whether the image of the live store is read without the kernel, where it can be.
    pub read_image: bool,
    /// Names what this run leaves behind: its time, in UTC.
    pub stamp: String,
    /// Starts programs.
    pub runner: &'a Runner,
    /// Tells the user.
    pub report: &'a Reporter,
    /// The log.
    pub log: &'a LogFile,
}

pub(crate) fn image_of(job: &Job<'_>) -> Option<Image> {
    job.read_image.then(Image::of_live_store).flatten()
}

/// What is copied besides the system. nixos-install gives a channel configuration its channels; copied with the rest, they
/// are there already.
pub(crate) fn beside(job: &Job<'_>, kind: ConfigKind) -> Vec<PathBuf> {
    let channels = (kind == ConfigKind::Channel)
        .then(|| job.channels.for_target())
        .flatten();
    channels.into_iter().chain(job.offline_rebuild.clone()).collect()
}
