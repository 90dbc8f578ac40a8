//! The phases of an installation, as the progress shows them.

use crate::progress::Phase;

pub const SETTINGS: &Phase = &ALL[0];
pub const SOURCE: &Phase = &ALL[1];
/// All that can be known before the disk is written.
pub const CHECK: &Phase = &ALL[2];
/// A layout for disko is made, where that was asked for.
pub const PARTITION: &Phase = &ALL[3];
/// As [`CHECK`], of the machine with its new disk.
pub const RECHECK: &Phase = &ALL[4];
pub const PLACE: &Phase = &ALL[5];
pub const BUILD: &Phase = &ALL[6];
pub const COPY: &Phase = &ALL[7];
pub const ACTIVATE: &Phase = &ALL[8];
/// The result is looked at.
pub const INSPECT: &Phase = &ALL[9];
pub const KEEP: &Phase = &ALL[10];

/// All of them, in order, with the seconds that each takes on a laptop.
pub const ALL: &[Phase] = &[
    phase("settings", "Reading the settings", 0.1),
    phase("source", "Finding the configuration", 0.1),
    phase("check", "Checking the configuration", 15.0),
    phase("partition", "Partitioning the disk", 0.0),
    phase("recheck", "Checking the configuration with the new disk", 0.0),
    phase("place", "Placing the configuration", 0.5),
    phase("build", "Building the system", 10.0),
    phase("copy", "Copying the system", 90.0),
    phase("activate", "Activating the system", 8.0),
    phase("inspect", "Inspecting the installed system", 1.0),
    phase("keep", "Keeping the log and the receipt", 0.5),
];

const fn phase(name: &'static str, title: &'static str, seconds: f64) -> Phase {
    Phase { name, title, seconds }
}
