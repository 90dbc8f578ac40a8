//! The layout for disko of a configuration cannot be made.

use std::path::PathBuf;

use super::{Text, error};

/// Why.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub enum DiskoProblem {
    /// The configuration has none. `by_answers`: an answers file asked for it, and not the command line.
    NoLayout { by_answers: bool },
    /// The script is not in `system.build`.
    OldDisko,
    /// A disk was chosen for a name that the layout does not have. `by_answers`: as for `NoLayout`.
    UnknownDisk { name: String, known: Vec<String>, by_answers: bool },
    /// `--disk` without a name or a device.
    DiskArgument { argument: String },
    /// At the target is an installation that was begun in another way. `ways`: how it was begun, and what was asked for now.
    BegunOtherwise { target: PathBuf, ways: [String; 2] },
    /// Something is mounted at the target already.
    TargetMounted { target: PathBuf },
    /// The boot loader needs an EFI system partition at `esp`.
    NoEsp { esp: String },
    /// Files with keys of encrypted volumes are not there.
    KeyFiles { files: Vec<String> },
    /// ZFS would ask for the passphrases of `datasets`.
    ZfsAsks { datasets: Vec<String> },
    /// Nobody can be asked, and `--yes` is absent.
    NotConfirmed { devices: Vec<String> },
    /// A person did not say yes.
    Declined,
    /// Volumes need a passphrase, and nobody can be asked for it.
    NoPassphrase { volumes: Vec<String> },
    /// The file with it cannot be used.
    PassphraseFile { file: PathBuf, why: String },
    /// The script of disko ended with an error; it is in `raw`. `line`: its command line.
    Failed { line: String },
}

impl DiskoProblem {
    pub(super) fn text(&self) -> Text {
        match self {
            Self::NoLayout { by_answers } => error("disko-none", "The configuration has no layout for disko")
                .because("No disk is defined in `disko.devices.disk`.")
                .remedy(if *by_answers {
                    "Write one disk without a name in the answers file, as in `disks: only`. Or import the module of disko and define the disks."
                } else {
                    "Omit --disko, and mount the new root file system yourself. Or import the module of disko and define the disks."
                }),
            Self::OldDisko => error("disko-old", "The disko of this configuration is too old")
                .because("Its scripts are not those of disko 1.9.0 and later.")
                .remedy("Update the input or channel `disko`, and make the ISO again. Or partition by hand."),
            Self::UnknownDisk { name, known, by_answers } => error("disko-disk-unknown", format!("The layout for disko has no disk `{name}`"))
                .because(format!("It has: {}.", known.join(", ")))
                .remedy(if *by_answers {
                    "Name one of these in the answers file: `disks: { NAME: DISK }`."
                } else {
                    "Name one of these: --disk NAME=DEVICE."
                }),
            Self::DiskArgument { argument } => error("disko-disk-argument", format!("`--disk {argument}` has no name or no device"))
                .remedy("Write the name in the layout, and the device: --disk main=/dev/disk/by-id/…"),
            Self::BegunOtherwise { target, ways: [begun, now] } => error("disko-begun-otherwise", format!("Another installation was begun at {}", target.display()))
                .because(format!("It was begun with {begun}, and not with {now}."))
                .remedy(format!("To continue it, use the same options. To begin anew, unmount it: umount -R {}", target.display())),
            Self::TargetMounted { target } => error("disko-target-mounted", format!("Something is mounted at {} already", target.display()))
                .because("The layout for disko would be mounted there.")
                .remedy(format!("To install to what is mounted, omit --disko. Or unmount it: umount -R {}", target.display())),
            Self::NoEsp { esp } => error("disko-no-esp", format!("The layout for disko has no EFI system partition at {esp}"))
                .because("The boot loader of the configuration is installed there.")
                .remedy(format!("Add a partition of type EF00 with `format = \"vfat\"` and `mountpoint = \"{esp}\"`.")),
            Self::KeyFiles { files } => error("disko-key-files", format!("Files with keys for the disk are not there: {}", files.join(", ")))
                .because("disko reads them in the live system when it encrypts or opens the volumes.")
                .remedy("Write them there first."),
            Self::ZfsAsks { datasets } => error("disko-zfs-asks", format!("ZFS would ask for the passphrases of: {}", datasets.join(", ")))
                .because("The script of disko hands none on to ZFS, and would fail half-way.")
                .remedy(format!(
                    "Have it read from a file of the live system, and asked for from then on: `keylocation = \"file:///tmp/zfs.key\";` in the options of the dataset, and beside them `postCreateHook = \"zfs set keylocation=prompt {}\";`",
                    datasets.first().map_or("", String::as_str)
                )),
            Self::NotConfirmed { devices } => error("disko-not-confirmed", format!("Nobody confirmed that these disks are to be erased or changed: {}", devices.join(", ")))
                .because("Standard input is not a terminal.")
                .remedy("If they are the right ones: --yes"),
            Self::Declined => error("disko-declined", "Nothing was changed").because("The answer was not `yes`.").remedy("Run the command again, with --disk NAME=DEVICE for another disk."),
            Self::NoPassphrase { volumes } => error("disko-no-passphrase", format!("Nobody can be asked for the passphrase of the encrypted volumes: {}", volumes.join(", ")))
                .because("Standard input is not a terminal.")
                .remedy("Write it to a file and name that: --passphrase-file FILE"),
            Self::PassphraseFile { file, why } => error("disko-passphrase-file", format!("The passphrase in {} cannot be used", file.display()))
                .because(why.clone())
                .remedy("The file has to have the passphrase in its first line, and nothing else."),
            Self::Failed { line } => error("disko-failed", "The script of disko failed")
                .because(format!("It was started with `{line}`. The disks may be erased already, and partly made. What it mounted was unmounted."))
                .remedy("Look into its last words. An open volume is closed with `cryptsetup close`, a pool of ZFS with `zpool export`."),
        }
    }
}
