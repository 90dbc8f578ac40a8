//! What Calamares hands over is not what the installation needs.

use super::{Text, error};

/// Why an installation that Calamares started cannot begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalamaresProblem {
    /// globalStorage has no mount point.
    NotMounted,
    /// Nothing was chosen, or not confirmed, on the page "Disk".
    NoDisk,
    /// The host is not the one whose disks that page asked for.
    OtherHost { chosen: String, shown: String },
    /// The disk, or what is on it, is not what the page showed. `holds`: what is on it now; `None` where it cannot be erased at all.
    ChangedDisk { device: String, holds: Option<Vec<String>> },
    /// The name of a disk that is not empty was not typed.
    NotTyped { name: String },
    /// The layout has disks that the page did not ask for.
    MoreDisks { disks: Vec<String> },
}

const AGAIN: &str = "Start the installer again, and look at the page \"Disk\".";

impl CalamaresProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NotMounted => error("calamares-order", "Calamares has not mounted the target yet")
                .because("globalStorage has no rootMountPoint.")
                .remedy("In settings.conf, move the installation after the job `mount`."),
            Self::NoDisk => error("calamares-no-disk", "No disk was chosen and confirmed on the page \"Disk\"")
                .because("The configuration makes its own partitions, and only a disk that was chosen there is erased for them.")
                .remedy(
                    "Start the installer again and choose a disk. It shows those that were there when it was started. Or install in a \
                     terminal: sudo nix-cfg-install --disko wipe",
                ),
            Self::OtherHost { chosen, shown } => error("calamares-disk-host", format!("The disks were chosen for another machine than `{chosen}`"))
                .because(format!("The page \"Disk\" showed the layout of `{shown}`."))
                .remedy(AGAIN),
            Self::ChangedDisk { device, holds } => error("calamares-disk-changed", format!("{device} is not as the page \"Disk\" showed it"))
                .because(match holds.as_deref() {
                    None => "It has gone, or is a medium that cannot be chosen there.".to_owned(),
                    Some([]) => "It is another disk, in use, or empty now.".to_owned(),
                    Some(holds) => format!("On it is now: {}.", holds.join(", ")),
                })
                .remedy(AGAIN),
            Self::NotTyped { name } => error("calamares-disk-not-confirmed", format!("Nobody confirmed that {name} is to be erased"))
                .because("It is not empty, and its name was not typed on the page \"Disk\".")
                .remedy(AGAIN),
            Self::MoreDisks { disks } => error("calamares-more-disks", format!("The layout for disko has disks that the page \"Disk\" did not ask for: {}", disks.join(", ")))
                .because("The configuration is not the one that the ISO was made for.")
                .remedy("Install in a terminal: sudo nix-cfg-install --disko wipe, with --disk NAME=DEVICE for each."),
        }
    }
}
