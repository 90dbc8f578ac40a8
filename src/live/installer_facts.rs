//! What the installer knows of a machine and no configuration can: `machine.nix`, beside
//! hardware-configuration.nix and imported by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::nix::literal::{attribute, string};

/// The usual name of the file.
pub const MACHINE_NIX: &str = "machine.nix";

/// Its name where the user has a machine.nix there.
pub const MACHINE_NIX_BESIDE_OTHER: &str = "machine-from-installer.nix";

/// Where the key of encrypted volumes is in the installed system, in a directory that is root's alone…
pub const KEY_FILE: &str = "/etc/secrets/initrd/luks.key";
/// … and in its initrd.
const KEY_FILE_IN_INITRD: &str = "/luks.key";

/// Where the disks have names by their makers and serial numbers.
pub const BY_ID: &str = "/dev/disk/by-id";

/// What nixos-generate-config is to do where nothing else is said: an INI file of the live system.
pub const GENERATOR_DEFAULTS: &str = "/etc/nixos-generate-config.conf";

/// Stands for the root file system, before there is one.
pub const STAND_IN_ROOT: &str = "/dev/disk/by-label/not-yet";

/// Stands for the disk that a BIOS will start from, before one is chosen.
pub const ANY_DISK: &str = "/dev/disk/by-id/not-yet";

/// The facts. Nothing in it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // Independent facts.
pub struct InstallerFacts {
    /// The disk whose first sector starts the machine; only where the firmware is a BIOS.
    pub grub_device: Option<String>,
    /// Whether a person decided against a boot loader; only where the firmware is a BIOS.
    pub no_boot_loader: bool,
    /// Whether the root file system is btrfs.
    pub btrfs_root: bool,
    /// Whether the live system was started with the newest kernel instead of the one that NixOS takes by itself.
    pub latest_kernel: bool,
    /// The encrypted volumes that are opened when the machine starts.
    pub luks: Vec<Luks>,
    /// Whether a BIOS has to start from an encrypted /boot: GRUB opens it, and the initrd needs a key of its own.
    pub encrypted_boot: bool,
    /// The swap partitions as block devices, opened where they are encrypted.
    pub swap: Vec<PathBuf>,
    /// The console keymap with which passphrases are typed.
    pub keymap: Option<String>,
    /// Which of a flake's hosts it becomes, where a person was asked.
    #[serde(default)]
    pub host: Option<String>,
    /// The disks that were chosen for a layout for disko: devices by their names in it.
    #[serde(default)]
    pub disks: BTreeMap<String, String>,
    /// Whether a layout for disko sets the file systems: nixos-generate-config writes none.
    #[serde(default)]
    pub layout_sets_file_systems: bool,
    /// Whether there is no disk yet: file systems that stand in for those to come.
    pub before_partitioning: bool,
}

/// An encrypted volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Luks {
    /// The name of the opened volume in /dev/mapper.
    pub name: String,
    /// The UUID of the LUKS header.
    pub uuid: String,
    /// The partition.
    pub device: PathBuf,
    /// Whether it holds swap: nixos-generate-config (24.05) sees mounted volumes, and swap without its volume.
    pub is_swap: bool,
}

impl InstallerFacts {
    /// A machine of which nothing is known but that its disk is still to be partitioned.
    #[must_use]
    pub fn before_partitioning() -> Self {
        Self {
            before_partitioning: true,
            ..Self::default()
        }
    }

    /// The same with names that stay when a disk is added or removed, where the directory `by_id` has one: each rebuild installs
    /// GRUB anew, on the disk of that name.
    #[must_use]
    pub fn with_lasting_names(mut self, by_id: &Path) -> Self {
        let lasting = self.grub_device.as_deref().and_then(|disk| lasting_name(disk, by_id));
        self.grub_device = lasting.or(self.grub_device);
        for device in self.disks.values_mut() {
            *device = lasting_name(device, by_id).unwrap_or_else(|| device.clone());
        }
        self
    }

    /// The same with the kernel that the live system was started with, where the file `defaults`
    /// ([`GENERATOR_DEFAULTS`]) says so: the boot menu of NixOS' combined images offers two kernels (nixpkgs 26.11,
    /// installer/cd-dvd/latest-kernel.nix).
    #[must_use]
    pub fn with_kernel_of(mut self, defaults: &Path) -> Self {
        let text = fs::read_to_string(defaults).unwrap_or_default();
        let mut section = "";
        self.latest_kernel = text.lines().map(str::trim).any(|line| {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
            }
            let setting = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            section == "Defaults" && setting == Some(("Kernel", "latest"))
        });
        self
    }

    /// The module, as nixfmt leaves it; `None` where the configuration needs nothing from here.
    #[must_use]
    pub fn nix(&self) -> Option<String> {
        let mut body = Vec::new();
        body.extend(self.latest_kernel.then(|| LATEST_KERNEL.to_owned()));
        body.extend(self.no_boot_loader.then(|| NO_BOOT_LOADER.to_owned()));
        body.extend(self.grub());
        body.extend(self.volumes());
        body.extend(self.console());
        body.extend(self.layout());
        if self.before_partitioning && !self.layout_sets_file_systems {
            body.push(STAND_INS.to_owned());
        }
        if body.is_empty() {
            return None;
        }
        let body = body.join("\n");
        let uses = |name: &str| body.contains(&format!("{name}."));
        let arguments = match (uses("lib"), uses("pkgs")) {
            (_, true) => "{ lib, pkgs, ... }:",
            (true, false) => "{ lib, ... }:",
            (false, false) => "{ ... }:",
        };
        Some(format!("{HEADER}{arguments}\n{{\n{body}}}\n"))
    }

    fn layout(&self) -> Option<String> {
        if self.disks.is_empty() {
            return None;
        }
        let mut text =
            "  # The disks that were chosen for the layout, whichever ones the configuration names.\n".to_owned();
        for (name, device) in &self.disks {
            let (name, device) = (attribute(name), string(device));
            text.extend([format!("  disko.devices.disk.{name}.device = lib.mkForce {device};\n")]);
        }
        Some(text)
    }

    fn grub(&self) -> Option<String> {
        let device = string(self.grub_device.as_deref()?);
        let first = format!(
            "  # This machine starts from a BIOS: GRUB belongs on the disk that was chosen, whichever one the configuration\n  \
             # names.\n  boot.loader.grub.devices = lib.mkForce [ {device} ];\n"
        );
        Some(first + &self.grub_options("lib.mkDefault "))
    }

    /// What GRUB needs to know of the root file system and of an encrypted /boot. `strength` stands before what the configuration may
    /// set as well.
    pub(super) fn grub_options(&self, strength: &str) -> String {
        let mut text = String::new();
        if self.btrfs_root {
            text.extend([
                "  # The root is btrfs: GRUB looks for the file system by the UUID in `fileSystems`, and does not ask blkid for it.\n",
                "  boot.loader.grub.fsIdentifier = ",
                strength,
                "\"provided\";\n",
            ]);
        }
        if self.encrypted_boot {
            text.push_str(
                "  # The kernel is on an encrypted volume: GRUB asks for the passphrase (with the US keymap).\n  \
                 boot.loader.grub.enableCryptodisk = true;\n  \
                 # Calamares made the volume with SHA-512, of which grub-install knows nothing: without this, GRUB takes the right\n  \
                 # passphrase for a wrong one.\n  \
                 boot.loader.grub.extraGrubInstallArgs = [ \"--modules=gcry_sha512\" ];\n",
            );
        }
        text
    }

    /// The encrypted volumes that nixos-generate-config does not write, or not with their key.
    pub(super) fn volumes(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if self.encrypted_boot {
            parts.push(format!(
                "  # The key that opens the volumes after GRUB has, so that nobody is asked twice. It is in the initrd, on the\n  \
                 # encrypted volume.\n  boot.initrd.secrets.{} = {};\n",
                string(KEY_FILE_IN_INITRD),
                string(KEY_FILE)
            ));
        }
        for luks in self.luks.iter().filter(|luks| luks.is_swap || self.encrypted_boot) {
            let (name, device) = (string(&luks.name), string(&format!("/dev/disk/by-uuid/{}", luks.uuid)));
            let mut text = String::new();
            if luks.is_swap {
                text.push_str("  # Encrypted swap: opened before it is waited for.\n");
            }
            let key = if self.encrypted_boot {
                format!("    keyFile = {};\n", string(KEY_FILE_IN_INITRD))
            } else {
                String::new()
            };
            text.extend([
                format!("  boot.initrd.luks.devices.{name} = {{\n"),
                format!("    device = {device};\n{key}  }};\n"),
            ]);
            parts.push(text);
        }
        parts
    }

    /// The keymap with which the passphrase was typed, where the machine asks for one when it starts.
    #[must_use]
    pub fn keymap_of_passphrase(&self) -> Option<&str> {
        let is_asked = !self.luks.is_empty() || !self.disks.is_empty();
        self.keymap.as_deref().filter(|_| is_asked)
    }

    fn console(&self) -> Option<String> {
        let keymap = self.keymap_of_passphrase().filter(|keymap| *keymap != "us")?;
        Some(format!(
            "  # The keymap with which the passphrase was typed, unless the configuration says another.\n  \
             console.keyMap = lib.mkDefault {};\n",
            string(keymap)
        ))
    }
}

/// The link to `disk` in `by_id` that says most to a person: a number alone (`wwn-`, `nvme-eui.`) comes last.
fn lasting_name(disk: &str, by_id: &Path) -> Option<String> {
    let disk = fs::canonicalize(disk).ok()?;
    let links = fs::read_dir(by_id).ok()?.flatten().map(|link| link.path());
    let to_it = links.filter(|link| fs::canonicalize(link).is_ok_and(|real| real == disk));
    let names = to_it.filter_map(|link| link.to_str().map(str::to_owned));
    names.min_by_key(|name| (name.contains("/wwn-") || name.contains("/nvme-eui."), name.clone()))
}

const HEADER: &str = "\
# What only the installer knew of this machine. hardware-configuration.nix beside it imports it.
# Written by nix-cfg-install; from here on it is yours.
";

const LATEST_KERNEL: &str = "  # The installation medium was started with the latest kernel, so this machine may need it. What the configuration says
  # has priority: this is only stronger than the default of NixOS.
  boot.kernelPackages = lib.mkOverride 1400 pkgs.linuxPackages_latest;
";

const NO_BOOT_LOADER: &str = "  # In the graphical installer it was decided to install no boot loader.
  boot.loader.grub.enable = lib.mkForce false;
";

const STAND_INS: &str = "  # Only for the check: the disk is not partitioned yet.
  fileSystems.\"/\" = {
    device = \"/dev/disk/by-label/not-yet\";
    fsType = \"ext4\";
  };
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_needs_nothing_gets_no_file() {
        assert_eq!(InstallerFacts::default().nix(), None);
        let plain = InstallerFacts {
            swap: vec!["/dev/sda3".into()],
            keymap: Some("de".to_owned()),
            ..InstallerFacts::default()
        };
        assert_eq!(plain.nix(), None);
    }

    #[test]
    fn the_disks_of_a_layout_are_written_down_and_nothing_stands_in_for_its_file_systems() {
        let machine = InstallerFacts {
            disks: BTreeMap::from([("main".to_owned(), "/dev/sda".to_owned())]),
            layout_sets_file_systems: true,
            ..InstallerFacts::before_partitioning()
        };
        let text = machine.nix().unwrap();
        let end = "whichever ones the configuration names.\n  disko.devices.disk.main.device = lib.mkForce \"/dev/sda\";\n}\n";
        assert!(text.contains("{ lib, ... }:") && text.ends_with(end), "{text}");
    }

    #[test]
    fn the_kernel_of_the_live_system_is_known_by_the_file_of_its_image() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nixos-generate-config.conf");
        let latest = || InstallerFacts::default().with_kernel_of(&file).latest_kernel;
        assert!(!latest());
        for (text, expected) in [
            ("[Defaults]\nKernel=latest\n", true),
            ("# ours\n[Defaults]\nFlake = 1\nKernel = latest\n", true),
            ("[Defaults]\nKernel=lts\n", false),
            ("[Defaults]\n# Kernel=latest\n[Other]\nKernel=latest\n", false),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(latest(), expected, "{text}");
        }
    }

    #[test]
    fn grub_gets_the_name_that_stays_where_the_disk_has_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for disk in ["sda", "sdb"] {
            fs::write(path(disk), "").unwrap();
        }
        let machine = InstallerFacts {
            grub_device: path("sda").to_str().map(str::to_owned),
            ..InstallerFacts::default()
        };
        let by_id = path("by-id");
        assert_eq!(machine.clone().with_lasting_names(&by_id), machine);
        fs::create_dir(&by_id).unwrap();
        for (name, disk) in [
            ("ata-A", "sdb"),
            ("wwn-0x1", "sda"),
            ("ata-B", "sda"),
            ("ata-gone", "sdc"),
        ] {
            std::os::unix::fs::symlink(path(disk), by_id.join(name)).unwrap();
        }
        let named = machine.with_lasting_names(&by_id).grub_device;
        assert_eq!(named.as_deref(), by_id.join("ata-B").to_str());
    }
}
