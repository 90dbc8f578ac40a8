//! An answers file (docs/fleet.md) is wrong, or does not fit this machine.

use std::path::{Path, PathBuf};

use super::{Text, error, warning};
use crate::text::shell_word;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswersFileProblem {
    /// None was named, and there is none in `places`.
    Absent { places: Vec<PathBuf> },
    /// A new one was to be written.
    Exists,
    /// These file systems have the label of the stick.
    SeveralSticks { devices: Vec<PathBuf> },
    /// `error`: what the system says.
    Unreadable { error: String },
    /// `error`: what the YAML parser says.
    Invalid { error: String },
    /// It is YAML, and has no list of machines. `found`: what it is instead.
    NoMachines { found: String },
    UnknownKey { key: String, nearest: Option<&'static str>, known: Vec<&'static str> },
    /// `takes`: what the key takes. `found`: the value, as a person calls it.
    WrongValue { key: String, takes: &'static str, found: String },
    /// A value of `public-key`, which is not repeated: it may be the secret key.
    NoPublicKey { is_secret: bool },
    /// The kernel's name of a disk.
    KernelName { name: String },
    /// What makers leave in all of their machines does not tell one from another. `kind`: serial, uuid or mac.
    Placeholder { kind: String, value: String },
    NoMatch,
    /// The ISO has `hosts`, and the entry names another one, or none where there are several.
    Host { name: Option<String>, hosts: Vec<String> },
    /// A key that says how the disks are made, without `disks`.
    NothingToPartition { key: &'static str },
    /// A key of the other mode: of an installation where it `is_update`, else of an update.
    OtherMode { key: &'static str, is_update: bool },
    /// An earlier entry, at the line `earlier`, is for the same machine: `what` (`serial X`, `all`).
    Twice { what: String, earlier: Option<u32> },
    /// No entry is for this machine, which is known by `names` (`serial: X`).
    NoEntry { names: Vec<String> },
    /// Several entries are, at these lines.
    SeveralEntries { lines: Vec<u32>, names: Vec<String> },
    /// `wanted`: as it is in the file. `disks`: those of the machine.
    NoDisk { wanted: String, disks: Vec<String> },
    SeveralDisks { wanted: String, fitting: Vec<String> },
    /// The one that is `wanted` is there, and nothing can be installed on it.
    Unusable { wanted: String, disk: PathBuf, why: Unusable },
    /// Two names of disko's layout are the same disk.
    SameDisk { names: Vec<String>, disk: PathBuf },
    /// `passphrase: prompt`, and nobody to ask.
    NoTerminal,
    /// The layout for disko has disks (`NAME (DEVICE)`) that the file does not name.
    UnnamedDisks { disks: Vec<String> },
    /// The layout for disko asks for the passphrase of these volumes, and the file has none.
    NoPassphrase { volumes: Vec<String> },
    /// The file has a passphrase, and the layout for disko asks for none.
    UnusedPassphrase,
    /// A system that this program has installed without questions is on the disk. `by_this`: from this ISO.
    Installed { disk: PathBuf, by_this: bool },
    /// A directory at which the file systems would be mounted is a mount point.
    TargetInUse { target: PathBuf },
    /// The configuration sets file systems (mount point and source) that the installer does not make.
    OwnFileSystems { systems: Vec<(String, String)> },
    /// The kernel does not show a partition that was made.
    NoPartition { device: PathBuf },
    /// A host key could not be made or read. `error`: what ssh-keygen says.
    HostKey { error: String },
    /// Nothing could be written to the stick. `error`: what the system says.
    Stick { error: String },
    /// It had the answers file, and is no longer mounted.
    StickGone,
    /// The machine was to restart or to be switched off. `error`: what the program says.
    NotEnded { error: String },
}

/// Why nothing can be installed on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unusable {
    /// The live system came from it.
    Medium,
    Optical,
    /// It is one way of several to a disk.
    Hidden,
    WriteProtected,
    /// It has the answers file.
    Stick,
    Empty,
}

/// What keeps a machine from starting the live system again, whatever that came from.
pub(super) const START_FROM_DISK: &str =
    "Remove the stick and restart; a machine that starts from the network needs its disk first in the firmware's order.";

impl AnswersFileProblem {
    #[allow(clippy::too_many_lines)] // A table.
    pub(super) fn text(&self) -> Text {
        match self {
            Self::Absent { places } => error("answers-file-absent", "There is no answers file")
                .because(format!("Looked for: {}; and for a partition with the label NIXCFG that has one.", list(places)))
                .remedy(
                    "Put it on a stick with the label NIXCFG, or name it: --answers FILE. A machine that started over the network got none from \
                     its server: look at the server's screen, and restart this machine.",
                ),
            Self::Exists => error("answers-file-exists", "There is an answers file already")
                .because("What was written into it would be lost.")
                .remedy("Edit it. For a new one, move it away."),
            Self::SeveralSticks { devices } => error("answers-sticks", format!("Several file systems have the label NIXCFG: {}", list(devices)))
                .because("They can have different answers files, and name different disks.")
                .remedy("Leave only one of them in the machine."),
            Self::Unreadable { error: why } => error("answers-file", "The answers file cannot be read").because(why),
            Self::Invalid { error: why } => error("answers-file", format!("The answers file is not valid YAML: {why}"))
                .remedy("Correct it; docs/fleet.md says what each key takes."),
            Self::NoMachines { found } => error("answers-file", format!("The answers file has no list of machines: this is {found}"))
                .remedy("Write `machines:`, and below it an entry for each machine, as in `- match: all`."),
            Self::UnknownKey { key, nearest, known } => {
                error("answers-file", format!("`{key}` is nothing that an answers file has")).remedy(match nearest {
                    Some(nearest) => format!("Did you mean `{nearest}`?"),
                    None => format!("Known keys here: {}.", known.join(", ")),
                })
            }
            Self::WrongValue { key, takes, found } => {
                error("answers-file", format!("`{key}` takes {takes}, and this is {found}")).remedy("Correct it.")
            }
            Self::NoPublicKey { is_secret } => no_public_key(*is_secret),
            Self::KernelName { name } => error("answers-file", format!("A disk cannot be named {name}"))
                .because("The kernel gives such a name to another disk after another start.")
                .remedy("Write its name in /dev/disk/by-id (ls -l /dev/disk/by-id), or `only`."),
            Self::Placeholder { kind, value } => error("answers-file", format!("`{kind}: {value}` names no machine"))
                .because("Makers leave this in machines where they did not fill anything in, so that many have the same.")
                .remedy("Name it by another of serial, uuid and mac. A machine that no entry is for shows those that it has."),
            Self::NoMatch => error("answers-file", "The entry does not say which machine it is for")
                .remedy("Add `match:`, with serial, uuid or mac, or `match: all`."),
            Self::Host { name, hosts } => {
                let what = match name {
                    Some(name) => format!("The ISO has no host `{name}`"),
                    None => "The entry does not say which host the machine becomes".to_owned(),
                };
                error("answers-host", what)
                    .because(format!("The hosts of the ISO: {}.", if hosts.is_empty() { "none, it has a channel configuration".to_owned() } else { hosts.join(", ") }))
                    .remedy(if hosts.is_empty() { "Remove `host`." } else { "Write `host:` with one of them." })
            }
            Self::NothingToPartition { key } => error("answers-file", format!("`{key}` has no effect without `disks`"))
                .because("Without `disks` nothing is partitioned, and the system is installed to what is mounted at the target.")
                .remedy(format!("Add `disks`, or remove `{key}`.")),
            Self::OtherMode { key, is_update } => other_mode(key, *is_update),
            Self::Twice { what, earlier } => error("answers-file", format!("Two entries are for the same machine: {what}"))
                .because(earlier.map_or_else(String::new, |line| format!("The other one is in line {line}.")))
                .remedy("Remove one of the two."),
            Self::NoEntry { names } => error("answers-no-machine", "The answers file has no entry for this machine")
                .because(format!("This machine has: {}.", names.join("; ")))
                .remedy("Add an entry whose `match` names one of these."),
            Self::SeveralEntries { lines, names } => {
                let lines: Vec<String> = lines.iter().map(u32::to_string).collect();
                error("answers-several", format!("Several entries are for this machine: lines {}", lines.join(", ")))
                    .because(format!("This machine has: {}.", names.join("; ")))
                    .remedy("Make all but one of them match other machines.")
            }
            Self::NoDisk { wanted, disks } => error("answers-disk", format!("This machine has no disk `{wanted}`"))
                .because(disks_here(disks))
                .remedy("Correct `disks`. What can be removed (sticks, cards, USB disks) has to be named by its path in /dev/disk/by-id."),
            Self::SeveralDisks { wanted, fitting } => {
                error("answers-disk", format!("`{wanted}` does not say which disk is meant")).because(disks_here(fitting))
                    .remedy("Name the disk by its path in /dev/disk/by-id. Where disks have the same name there: by that in /dev/disk/by-path.")
            }
            Self::Unusable { wanted, disk, why } => why.text(wanted, disk),
            Self::SameDisk { names, disk } => {
                error("answers-disk", format!("{} are the same disk: {}", names.join(" and "), disk.display()))
                    .remedy("Name another disk for one of them.")
            }
            Self::NoTerminal => error("answers-passphrase", "Nobody can be asked for the passphrase")
                .because("`passphrase: prompt` needs a terminal.")
                .remedy("Start it in a terminal, or write `passphrase: { file: … }`."),
            Self::UnnamedDisks { disks } => {
                error("answers-disk", format!("The answers file does not name all disks of the layout for disko: {}", disks.join(", ")))
                    .because("disko would write to them as well.")
                    .remedy("Add their names to `disks`: `disks: { NAME: DISK }`.")
            }
            Self::NoPassphrase { volumes } => {
                error("answers-passphrase", format!("The answers file has no passphrase for the encrypted volumes: {}", volumes.join(", ")))
                    .because("The layout for disko asks for it, and nobody is asked.")
                    .remedy("Add `passphrase: { file: PATH }`, or `passphrase: prompt` if somebody will be there.")
            }
            Self::UnusedPassphrase => warning("answers-passphrase", "The passphrase is not used")
                .because("No volume of the layout for disko asks for one.")
                .remedy("If the disk is to be encrypted, change the layout in the configuration."),
            Self::Installed { disk, by_this: true } => {
                error("answers-installed", format!("{} has a system from this ISO already", disk.display()))
                    .because("Otherwise a stick that is left in the machine would install it again at every start.")
                    .remedy(format!("{START_FROM_DISK} To erase the disk and install again, add `reinstall: true` to the entry of this machine."))
            }
            Self::Installed { disk, by_this: false } => {
                error("answers-installed", format!("{} has a system that was installed from another ISO", disk.display()))
                    .because("Installing would erase it, and the data of whoever uses the machine.")
                    .remedy(
                        "To bring it to the system of this ISO and keep the data, replace `disks` by `mode: update` in the entry of this \
                         machine. To erase the disk and install, add `reinstall: true`.",
                    )
            }
            Self::TargetInUse { target } => error("answers-target", format!("Something is mounted at {}", target.display()))
                .because("The new file systems are mounted there.")
                .remedy(format!("umount -R {}", shell_word(target.as_os_str()))),
            Self::OwnFileSystems { systems } => {
                let all: Vec<String> = systems.iter().map(|(at, source)| format!("{at} from {source}")).collect();
                error("answers-file-systems", "The configuration sets file systems that the installer does not make")
                    .because(format!(
                        "It has {}. The installer makes ext4 with the label nixos for /, and for UEFI vfat with the label BOOT.",
                        all.join(", ")
                    ))
                    .remedy("For a layout of disko, name its disks: `disks: { main: only }`. Otherwise remove these `fileSystems`: hardware-configuration.nix has what is made. Or use these labels.")
            }
            Self::NoPartition { device } => {
                error("answers-disk", format!("The kernel does not show the new partition {}", device.display()))
                    .because("The disk was partitioned. Something may use it still.")
                    .remedy("Restart, and run the command again.")
            }
            Self::HostKey { error: why } => warning("answers-host-key", "The host key that secrets are opened with could not be made or read").because(why)
                .remedy("If it is not there, the system makes it when it first starts. Take its public half from there."),
            Self::Stick { error: why } => warning("answers-stick", "The result could not be written to the stick").because(why),
            Self::StickGone => warning("answers-stick", "The result could not be written to the stick")
                .because("It is no longer mounted.")
                .remedy("The machine is installed. The receipt that would be on the stick is on its disk as well."),
            Self::NotEnded { error: why } => warning("answers-after", "The live system could not be ended").because(why)
                .remedy("Remove the stick, and restart the machine or switch it off."),
        }
    }
}

impl Unusable {
    fn text(self, wanted: &str, disk: &Path) -> Text {
        const ANOTHER: &str = "Name another disk in `disks`.";
        let (why, remedy) = match self {
            Self::Medium => ("the live system was started from it", ANOTHER),
            Self::Optical => ("it is an optical drive", ANOTHER),
            Self::Hidden => ("it is only one way to a disk", ANOTHER),
            Self::WriteProtected => (
                "it is write-protected",
                "Undo that (a switch of the stick or card, blockdev --setrw), or name another disk in `disks`.",
            ),
            Self::Stick => ("it has the answers file", ANOTHER),
            Self::Empty => (
                "it has no bytes",
                "If it is a card reader, put a card in; a disk of 0 bytes is damaged. Or name another disk in `disks`.",
            ),
        };
        let what = format!("The system cannot be installed on `{wanted}`, which is {}: {why}", disk.display());
        error("answers-disk", what).remedy(remedy)
    }
}

fn no_public_key(is_secret: bool) -> Text {
    let found = if is_secret { "a secret key" } else { "something else" };
    let problem = error(
        "answers-file",
        format!("`public-key` takes a public key `NAME:BASE64`, or a list of them, and this is {found}"),
    );
    if is_secret {
        problem
            .because("Whoever reads the secret key can sign what these machines install.")
            .remedy("Write its public half, which is in the other file (room.public, not room.secret), or which nix key convert-secret-to-public prints.")
    } else {
        problem.remedy("Write it as nix key convert-secret-to-public prints it, in quotes.")
    }
}

fn other_mode(key: &str, is_update: bool) -> Text {
    let other = if is_update { "an installation" } else { "`mode: update`" };
    let problem = error("answers-file", format!("`{key}` is only for {other}"));
    let why = match key {
        "extra-files" => "An update leaves such files as they are on the machine.",
        "reinstall" => "An update erases nothing.",
        _ => "An installation does not look at what was on the disk.",
    };
    let remedy = if is_update { "" } else { ", or add `mode: update`" };
    problem
        .because(why)
        .remedy(format!("Remove `{key}`{remedy}."))
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

fn disks_here(disks: &[String]) -> String {
    match disks {
        [] => "There is none that the system could be installed on.".to_owned(),
        some => format!("There are: {}.", some.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    #[test]
    fn without_an_answers_file_a_machine_that_started_over_the_network_is_sent_to_its_server() {
        let places = vec!["/iso/nix-cfg-install.answers.yaml".into()];
        let said = Diagnostic::from(AnswersFileProblem::Absent { places }).to_string();
        for text in ["a stick with the label NIXCFG", "look at the server's screen, and restart"] {
            assert!(said.contains(text), "{said}");
        }
    }
}
