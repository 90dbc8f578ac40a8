//! The installed system would not find its file systems.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{Text, error, warning};

/// What is wrong with the file systems of a configuration, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSystemProblem {
    /// There is no root file system. `hardware`: this machine's hardware configuration, which the configuration does not
    /// import.
    NoRoot { hardware: PathBuf, imported: bool },
    /// No file of the configuration names `hardware`. `has_root`: the configuration has a root file system all the same.
    HardwareNotImported { hardware: PathBuf, has_root: bool },
    /// Nothing is partitioned yet, and the configuration sets `systems` (mount point and source). `graphical`: the graphical
    /// installer makes the partitions.
    Fixed { systems: Vec<(String, String)>, graphical: bool, alternative: Alternative },
    /// The machine cannot start with what is mounted at `target`, because the configuration has something else.
    /// `alternative`: where the configuration sets it; otherwise `hardware` on the target does.
    Other { differences: Vec<Difference>, target: PathBuf, hardware: PathBuf, alternative: Option<Alternative> },
    /// As `Other`, for file systems that the machine starts without.
    OtherOptional { differences: Vec<Difference>, target: PathBuf },
    /// Both the configuration and the target's older `hardware` set these file systems.
    SetTwice { differences: Vec<Difference>, target: PathBuf, hardware: PathBuf },
    /// The configuration gives several values to options of file systems: each option, with the files and their values.
    Contradiction { values: Vec<(String, Vec<(String, String)>)> },
    /// Whether the configuration has what is mounted is unknown.
    Unsure { differences: Vec<Difference>, doubts: Vec<Doubt>, target: PathBuf },
    /// The configuration sets only options of the file systems `names`, which nothing else defines.
    OnlyOptions { names: Vec<String>, partitioned: bool },
    /// As `OnlyOptions`, where the installer makes the disk, and not these.
    NotMade { names: Vec<String> },
    /// As `OnlyOptions`, for encrypted volumes.
    VolumeOnlyOptions { names: Vec<String> },
    /// Swap devices that this machine does not have.
    SwapMissing { devices: Vec<String> },
    /// The encrypted volume of the file system at `at` is not opened.
    VolumeNotOpened { at: String },
}

/// How the configuration lets the installer's file systems take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// Whether a layout for disko sets the file systems.
    pub disko: bool,
    /// The hardware configuration to import instead.
    pub hardware: PathBuf,
}

/// A mount point of the installed system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub at: String,
    /// What the configuration mounts there: `/dev/sda1 (ext4)`.
    pub configured: Option<String>,
    /// What is mounted there now.
    pub mounted: Option<String>,
}

/// Why a file system of the configuration cannot be compared with what is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    OtherMachine,
    NoSubvolume,
    /// A bind mount of a directory that no file system of the configuration holds.
    NoHolder,
    /// FUSE.
    UserSpaceDriver,
    NameTwice,
    VolumeUnknown,
    /// A name such as /dev/sda, which may be another disk after the next start.
    UnstableName,
}

impl Doubt {
    fn text(self) -> &'static str {
        match self {
            Self::OtherMachine => "A file system on another machine cannot be compared.",
            Self::NoSubvolume => "The configuration names no subvolume, and a subvolume is mounted.",
            Self::NoHolder => "The configuration does not say which file system the directory is on.",
            Self::UserSpaceDriver => "It is mounted by a driver in user space, which names no device.",
            Self::NameTwice => "Two devices have that name.",
            Self::VolumeUnknown => {
                "It is an encrypted volume, and boot.initrd.luks.devices does not open one of that name."
            }
            Self::UnstableName => "The kernel assigns such names anew at each start.",
        }
    }
}

impl FileSystemProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoRoot { hardware, imported } => no_root(hardware, *imported),
            Self::HardwareNotImported { hardware, has_root } => not_imported(hardware, *has_root),
            Self::Fixed { systems, graphical, alternative } => fixed(systems, *graphical, alternative),
            Self::Other { differences, target, hardware, alternative } => {
                other(&lines(differences), target, hardware, alternative.as_ref())
            }
            Self::OtherOptional { differences, target } => warning(
                "file-system-other",
                format!("The installed system will mount other file systems than those at {}, or wait for what does not exist", target.display()),
            )
            .because(lines(differences).trim_start())
            .remedy("When the machine starts, it stops and waits for a file system that is missing, unless that has the option `nofail`; and what is written now where another will be mounted is hidden then. Correct it in the configuration, or mount what the configuration has."),
            Self::SetTwice { differences, target, hardware } => {
                let (target, hardware) = (target.display(), hardware.display());
                error(
                    "file-system-twice",
                    format!("The configuration and the target's {hardware} both set the same file systems"),
                )
                .because(format!("Nix refuses two names for one device:{}", lines(differences)))
                .remedy(format!("Remove {target}/etc/nixos/{hardware}, and it will be generated again, without what the configuration sets. Or remove these file systems from one of the two."))
            }
            Self::Contradiction { values } => contradiction(values),
            Self::Unsure { differences, doubts, target } => {
                let mut why = lines(differences).trim_start().to_owned();
                for doubt in doubts {
                    let _ = write!(why, "\n{}", doubt.text());
                }
                warning(
                    "file-system-unsure",
                    format!("It is uncertain whether the installed system will find what is mounted at {}", target.display()),
                )
                .because(why)
                .remedy("Check that both are the same; a name by UUID leaves no doubt.")
            }
            Self::OnlyOptions { names, partitioned } => only_options(&names.join(", "), *partitioned),
            Self::NotMade { names } => not_made(&names.join(", ")),
            Self::VolumeOnlyOptions { names } => error(
                "encrypted-absent",
                format!("The configuration sets options of an encrypted volume that this machine does not have: {}", names.join(", ")),
            )
            .because("The device comes from the hardware configuration, which has no volume of that name. The graphical installer names a volume `luks-` and its UUID.")
            .remedy("Remove these `boot.initrd.luks.devices` from the configuration, or open the volume with that name before the installation: cryptsetup open DEVICE NAME."),
            Self::SwapMissing { devices } => warning(
                "swap-missing",
                format!("The configuration has swap on a device that this machine does not have: {}", devices.join(", ")),
            )
            .because("When the machine starts, it waits 90 seconds for a device that does not exist.")
            .remedy("Correct `swapDevices` in the configuration, or add `options = [ \"nofail\" ];` to the entry."),
            Self::VolumeNotOpened { at } => warning(
                "encrypted-not-opened",
                format!("The configuration does not open the encrypted volume of {at}"),
            )
            .because("No entry of `boot.initrd.luks.devices` has its device: unless something else opens it, the machine cannot start.")
            .remedy("Import the hardware configuration, which has the entry, or add one: boot.initrd.luks.devices.NAME.device = \"/dev/disk/by-uuid/…\";"),
        }
    }
}

fn only_options(names: &str, partitioned: bool) -> Text {
    let code = "file-system-absent";
    let why = "The configuration sets only some of their options; the device comes from the hardware configuration, which has what is mounted.";
    if partitioned {
        return error(code, format!("The configuration needs file systems that are not mounted: {names}"))
            .because(why)
            .remedy("Mount a file system at each of these places below the target, remove an older hardware configuration from it, and run the command again. Or remove these `fileSystems` from the configuration.");
    }
    warning(code, format!("The configuration needs separate file systems: {names}"))
        .because(why)
        .remedy("Make a partition or a subvolume for each of them when you partition the disk. Or remove these `fileSystems` from the configuration.")
}

fn not_made(names: &str) -> Text {
    error("file-system-absent", format!("The configuration needs file systems that the installer does not make: {names}"))
        .because("The configuration sets only some of their options; the device comes from the hardware configuration, which will have what is made.")
        .remedy("Remove these `fileSystems` from the configuration, or give it a disko layout that has them. By hand, they can be made and mounted before the installation.")
}

fn contradiction(values: &[(String, Vec<(String, String)>)]) -> Text {
    let mut list = String::new();
    for (option, set) in values {
        // Writing to a string cannot fail.
        let _ = write!(list, "\n{option}:");
        for (file, value) in set {
            let _ = write!(list, "\n  {value} in {file}");
        }
    }
    error("file-system-contradiction", "The configuration sets its file systems to different values")
        .because(format!("Nix accepts one value for each of these options:{list}"))
        .remedy("Remove one of the definitions. Where disko has the layout of the disk, its module sets `fileSystems`: remove your own, or set `disko.enableConfig = false;`.")
}

fn no_root(hardware: &Path, imported: bool) -> Text {
    let text = error("root-file-system-none", "The system would have no root file system");
    let hardware = hardware.display();
    if imported {
        text.because(format!("The configuration imports {hardware}, which has no fileSystems.\"/\"."))
            .remedy(
                "Add one, of any device: fileSystems.\"/\" = { device = \"/dev/disk/by-label/nixos\"; fsType = \"ext4\"; }; The \
                 installer replaces this file.",
            )
    } else {
        text.because(format!("This machine's file systems are in {hardware}, which the configuration does not import."))
            .remedy(format!("Add it to `imports` in the configuration: imports = [ ./{hardware} ];"))
    }
}

fn not_imported(hardware: &Path, has_root: bool) -> Text {
    let why = if has_root {
        "The installer writes it there. Unless the configuration imports it, the system may lack kernel modules that this machine needs to start."
    } else {
        "The installer writes it there. Unless the configuration imports it in another way, the system has no root file system."
    };
    warning(
        "hardware-not-imported",
        format!("No file of the configuration names {}", hardware.display()),
    )
    .because(why)
    .remedy("Add it to `imports`.")
}

fn fixed(systems: &[(String, String)], graphical: bool, alternative: &Alternative) -> Text {
    let code = "file-systems-fixed";
    let what = "The configuration sets the file systems of this machine itself";
    let mut list = String::new();
    for (at, source) in systems {
        let _ = write!(list, "\n{at}: {source}");
    }
    let instead = alternative.text();
    let make = if alternative.disko {
        "let disko make the disk, in a terminal: nix-cfg-install --disko wipe"
    } else {
        "partition and format the disk as the configuration requires, mount the file systems, and run nix-cfg-install in a terminal"
    };
    if graphical {
        return error(code, what)
            .because(format!("The graphical installer makes partitions of its own. The installed system would look for these instead, and could not start:{list}"))
            .remedy(format!("Either {instead}. Or keep them: {make}."));
    }
    warning(code, what)
        .because(format!("It can be installed only where these are mounted:{list}"))
        .remedy(format!("To keep them, {make}. Or, for other partitions, {instead}."))
}

fn other(lines: &str, target: &Path, hardware: &Path, alternative: Option<&Alternative>) -> Text {
    let (target, hardware) = (target.display(), hardware.display());
    let remedy = match alternative {
        Some(alternative) => format!("Mount the file systems of the configuration at {target}. Or {}.", alternative.text()),
        None => format!("The hardware configuration at {target} was written when something else was mounted. Mount that again; or remove {target}/etc/nixos/{hardware}, and it will be generated again."),
    };
    error(
        "file-system-other",
        format!("The installed system would not find what is mounted at {target}"),
    )
    .because(format!("It could not start:{lines}"))
    .remedy(remedy)
}

impl Alternative {
    fn text(&self) -> String {
        let remove = if self.disko {
            "set `disko.enableConfig = false;` for this host"
        } else {
            "remove these `fileSystems` from the configuration"
        };
        format!(
            "{remove} and import ./{}, where the installer records what is mounted",
            self.hardware.display()
        )
    }
}

/// One line for each mount point, each after a line break.
fn lines(differences: &[Difference]) -> String {
    let mut text = String::new();
    for Difference { at, configured, mounted } in differences {
        let configured = configured.as_deref().unwrap_or("nothing");
        let mounted = match mounted {
            Some(mounted) => format!("mounted is {mounted}"),
            None => "nothing is mounted there".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{at}: the configuration has {configured}; {mounted}");
    }
    text
}
