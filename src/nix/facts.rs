//! The values of a configuration that an evaluation reports besides its toplevel: those that [`facts.nix`](EXPRESSION) reads.

#![allow(clippy::struct_excessive_bools)] // Each is an option of NixOS.

#[cfg(test)]
mod facts_tests;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::identity::Identity;
use super::secret_facts::Secrets;
use crate::tree::feature::NotCovered;

/// A function from a NixOS evaluation to its toplevel, which traces the facts.
pub const EXPRESSION: &str = concat!(
    "(",
    include_str!("facts.nix"),
    ") (",
    include_str!("definitions.nix"),
    ") (",
    include_str!("secret_facts.nix"),
    ")"
);

/// The beginning of a line with a fact: `builtins.trace` adds the first word (Nix 2.8, 2.26 and 2.34).
const FACT_PREFIX: &str = "trace: nix-cfg-install: ";

/// The facts of one evaluation. One is absent when the evaluation ended before it, or when it throws.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The names of a flake's hosts.
    pub hosts: Option<Vec<String>>,
    /// The assertions of NixOS modules that fail.
    pub assertions: Option<Vec<Assertion>>,
    /// The warnings of NixOS modules.
    pub warnings: Option<Vec<String>>,
    /// What the system is built for: `x86_64-linux`.
    pub platform: Option<String>,
    /// Which machine it is.
    pub identity: Option<Identity>,
    /// Who can log in.
    pub users: Option<Users>,
    /// How it boots.
    pub boot: Option<Boot>,
    /// What its boot loader copies.
    pub boot_files: Option<BootFiles>,
    /// How it imports its pools of ZFS.
    pub zfs: Option<Zfs>,
    /// The report of nixos-facter that it has its hardware from.
    pub facter: Option<Facter>,
    /// What it is installed on.
    pub disks: Option<Disks>,
    /// How it asks for a login password.
    pub login: Option<Login>,
    /// The units that start with the system and need a network.
    pub network_units: Option<Vec<String>>,
    /// The files that it needs and does not bring.
    pub secrets: Option<Secrets>,
    /// The bind mounts that are units of systemd, and not in `fileSystems`; and the link that /etc/nixos is.
    pub binds: Option<Vec<Bind>>,
    /// The version of the live system's Nix; only while an ISO is made.
    pub nix: Option<String>,
    /// What the ISO is made without; only while an ISO is made.
    pub not_covered: Option<Vec<NotCovered>>,
    /// The packages that nixpkgs refuses, where the evaluation accepts them all the same.
    pub refused: Vec<Refusal>,
}

/// A package that nixpkgs refuses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The message of nixpkgs; empty for a package that is marked as broken (26.05 and later).
    pub message: String,
    /// Its name with the version, where the message does not have it.
    pub package: String,
}

/// An assertion that fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Assertion {
    /// Its message.
    pub message: String,
    /// The file that states it; empty when that is not known.
    pub file: String,
    /// The line in it.
    pub line: u32,
}

/// The accounts of root and of people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Users {
    /// `users.mutableUsers`: whether a password that is set outside the configuration lasts.
    pub mutable: bool,
    /// `users.allowNoPasswordLogin`.
    pub no_password_login: bool,
    /// Whether the SSH server runs.
    pub sshd: bool,
    /// Whether accounts come from elsewhere too (LDAP, SSSD, homed).
    pub elsewhere: bool,
    /// Who is logged in without being asked.
    pub autologin: Vec<String>,
    /// The names of all users.
    pub names: Vec<String>,
    /// The names of all groups.
    pub groups: Vec<String>,
    /// Root and the normal users.
    pub accounts: Vec<Account>,
}

/// One account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// Whether it is a person's (`isNormalUser`).
    pub normal: bool,
    /// Whether it is in the group `wheel`.
    pub wheel: bool,
    /// Whether the configuration has a password for it that can be used.
    pub password: bool,
    /// `hashedPasswordFile`; empty when there is none.
    pub password_file: String,
    /// Whether that file belongs to the system's closure.
    pub password_file_kept: bool,
    /// Whether it has an SSH key.
    pub key: bool,
}

/// The boot loader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Boot {
    /// The enabled ones below `boot.loader`, and `lanzaboote`.
    pub loaders: Vec<String>,
    /// All disks that GRUB is installed on; `nodev` for none.
    pub grub_devices: Vec<String>,
    /// `boot.loader.grub.efiSupport`.
    pub grub_efi: bool,
    /// Where GRUB reads its kernels: `/boot`.
    pub grub_paths: Vec<String>,
    /// Its version.
    pub grub_version: String,
    /// The path of its grub-probe; it need not be in the live system's store.
    pub grub_probe: String,
    /// `boot.loader.grub.efiInstallAsRemovable`.
    pub grub_removable: bool,
    /// Where extlinux reads its kernels: `/boot`.
    pub extlinux_paths: Vec<String>,
    /// `boot.loader.efi.canTouchEfiVariables`.
    pub touch_efi_variables: bool,
    /// `boot.loader.efi.efiSysMountPoint`.
    pub esp: String,
    /// `boot.loader.systemd-boot.xbootldrMountPoint`, where systemd-boot's entries are; empty if they are in the ESP.
    pub xbootldr: String,
    /// Whether it is a container, which has no boot loader.
    pub container: bool,
}

/// What the installer of the boot loader copies to its partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BootFiles {
    /// The system and its specialisations.
    pub systems: Vec<Bootable>,
    /// Other files.
    pub extra: Vec<ExtraFile>,
}

/// What a boot entry names: absolute paths, empty where the system has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Bootable {
    pub kernel: String,
    pub initrd: String,
}

/// A file that the configuration adds to the boot loader's partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ExtraFile {
    /// Its path on the partition.
    pub name: String,
    pub source: String,
}

/// ZFS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Zfs {
    /// `networking.hostId`: eight hexadecimal digits; empty when there is none.
    pub host_id: String,
    /// The pools of its file systems that it does not import by force, with duplicates.
    pub not_forced: Vec<String>,
}

/// A report of nixos-facter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Facter {
    /// Its path; empty without a report.
    pub file: String,
    /// The machine that it was made on.
    pub machine: Machine,
}

/// A machine by what SMBIOS has of it, each the maker and the product; empty where that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Machine {
    pub system: String,
    pub board: String,
}

/// File systems and encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Disks {
    /// `fileSystems`.
    pub file_systems: Vec<FileSystem>,
    /// The encrypted volumes that the initrd opens: `boot.initrd.luks.devices`.
    pub luks: Vec<Volume>,
    /// `swapDevices`.
    pub swap: Vec<Swap>,
    /// `console.keyMap`.
    pub keymap: String,
    /// Whether the hardware comes from a report of nixos-facter; file systems are not in it.
    pub facter: bool,
    /// The files that define the platform, or the modules of the initrd.
    pub hardware_files: Vec<String>,
    /// `disko.devices.disk`.
    pub layout: Vec<LayoutDisk>,
}

/// A disk that disko formats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LayoutDisk {
    /// Its name in the configuration.
    pub name: String,
    pub device: String,
}

/// How the system asks for a login password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Login {
    /// `services.xserver.xkb.layout`: one or several, separated by commas; empty where nixpkgs has no such option.
    pub layout: String,
    /// `services.xserver.xkb.variant`: one for each layout.
    pub variant: String,
    /// Whether a display manager asks.
    pub display_manager: bool,
    /// Whether that is one that runs on a virtual console, or starts what its settings say.
    pub console_greeter: bool,
}

/// One file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct FileSystem {
    /// Its mount point.
    pub at: String,
    /// Its name in `fileSystems`, which is the mount point unless `mountPoint` says another.
    pub name: String,
    /// Its device; empty when it has none, or two that contradict each other.
    pub device: String,
    /// `ext4`, `vfat`, …; empty when it has none, or two.
    pub kind: String,
    /// Its mount options.
    pub options: Vec<String>,
    /// `neededForBoot`.
    pub needed_for_boot: bool,
    /// The definitions of its device, or of its label, that count.
    pub set: Vec<Definition>,
    /// The definitions of its kind that count.
    pub kind_set: Vec<Definition>,
    /// The files that define anything of it.
    pub files: Vec<String>,
}

/// A directory that shows another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Bind {
    /// Where it is seen.
    pub at: String,
    /// The directory.
    pub from: String,
}

/// An encrypted volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Its name in /dev/mapper.
    pub name: String,
    /// The device that holds it; empty when it has none, or two that contradict each other.
    pub device: String,
    /// The definitions of that device that count.
    pub set: Vec<Definition>,
}

/// A swap device, or a swap file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Swap {
    pub device: String,
    /// Its options in fstab.
    pub options: Vec<String>,
}

/// One definition of a value, of those with the highest priority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// The file that has it, as Nix names it.
    pub file: String,
    /// The value.
    pub value: String,
}

/// Whether `definitions` contradict each other.
#[must_use]
pub fn contradict(definitions: &[Definition]) -> bool {
    definitions.windows(2).any(|pair| pair[0].value != pair[1].value)
}

impl Facts {
    /// Takes the facts of a later evaluation. Those that it does not have stay as they are.
    pub fn update(&mut self, later: Self) {
        *self = Self {
            hosts: later.hosts.or(self.hosts.take()),
            assertions: later.assertions.or(self.assertions.take()),
            warnings: later.warnings.or(self.warnings.take()),
            platform: later.platform.or(self.platform.take()),
            identity: later.identity.or(self.identity.take()),
            users: later.users.or(self.users.take()),
            boot: later.boot.or(self.boot.take()),
            boot_files: later.boot_files.or(self.boot_files.take()),
            zfs: later.zfs.or(self.zfs.take()),
            facter: later.facter.or(self.facter.take()),
            disks: later.disks.or(self.disks.take()),
            login: later.login.or(self.login.take()),
            network_units: later.network_units.or(self.network_units.take()),
            secrets: later.secrets.or(self.secrets.take()),
            binds: later.binds.or(self.binds.take()),
            nix: later.nix.or(self.nix.take()),
            not_covered: later.not_covered.or(self.not_covered.take()),
            refused: later.refused,
        };
    }

    /// Takes a line of Nix's stderr; `true` when it is a fact.
    pub fn take(&mut self, line: &str) -> bool {
        let Some((name, json)) = line
            .strip_prefix(FACT_PREFIX)
            .and_then(|reported| reported.split_once(' '))
        else {
            return false;
        };
        match name {
            "hosts" => self.hosts = read(name, json),
            "assertions" => self.assertions = read(name, json),
            "warnings" => self.warnings = read(name, json),
            "platform" => self.platform = read(name, json),
            "identity" => self.identity = read(name, json),
            "users" => self.users = read(name, json),
            "boot" => self.boot = read(name, json),
            "boot_files" => self.boot_files = read(name, json),
            "zfs" => self.zfs = read(name, json),
            "facter" => self.facter = read(name, json),
            "disks" => self.disks = read(name, json),
            "login" => self.login = read(name, json),
            "network_units" => self.network_units = read(name, json),
            "secrets" => self.secrets = read(name, json),
            "binds" => self.binds = read(name, json),
            "nix" => self.nix = read(name, json),
            "not_covered" => self.not_covered = read(name, json),
            "refused" => self.refused.extend(read(name, json)),
            _ => log::debug!("an unknown fact: {line}"),
        }
        true
    }
}

fn read<T: DeserializeOwned>(name: &str, json: &str) -> Option<T> {
    serde_json::from_str(json)
        .inspect_err(|error| log::debug!("the fact {name} cannot be read: {error}"))
        .unwrap_or_default()
}
