//! globalStorage, as the pages and jobs of Calamares 3.3 and 3.4 fill it. Odd entries are the rule: the real partition job
//! begins its list with an empty one, `bootLoader` is null on UEFI, booleans come as numbers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::dialog::ByHand;
use super::keymap;
use crate::diagnostic::CalamaresProblem;
use crate::live::decisions::{Decisions, Firmware, Layout};
use crate::live::installer_facts::{ANY_DISK, InstallerFacts, Luks};

/// What is used of it; the rest is ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Globals {
    /// Where the mount job mounted the target; empty before it.
    #[serde(deserialize_with = "text")]
    pub root_mount_point: String,
    /// `efi` or `bios`.
    #[serde(deserialize_with = "text")]
    pub firmware_type: String,
    /// The login name that was typed.
    #[serde(deserialize_with = "text")]
    pub username: String,
    boot_loader: Option<BootLoader>,
    #[serde(deserialize_with = "list")]
    partitions: Vec<Partition>,
    /// What the page `packagechooser@host` leaves, where the ISO has several hosts.
    #[serde(rename = "packagechooser_host", deserialize_with = "text")]
    host: String,
    #[serde(rename = "keyboardVConsoleKeymap", deserialize_with = "text")]
    console_keymap: String,
    #[serde(deserialize_with = "text")]
    keyboard_layout: String,
    #[serde(deserialize_with = "text")]
    keyboard_variant: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BootLoader {
    #[serde(deserialize_with = "text")]
    install_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partition {
    #[serde(deserialize_with = "text")]
    device: String,
    #[serde(deserialize_with = "text")]
    mount_point: String,
    #[serde(deserialize_with = "text")]
    fs: String,
    #[serde(deserialize_with = "text")]
    fs_name: String,
    #[serde(deserialize_with = "text")]
    uuid: String,
    #[serde(deserialize_with = "truth")]
    claimed: bool,
    #[serde(deserialize_with = "text")]
    luks_mapper_name: String,
    #[serde(deserialize_with = "text")]
    luks_uuid: String,
    luks_passphrase: Option<SecretString>,
}

impl Partition {
    fn is_encrypted(&self) -> bool {
        self.claimed && matches!(self.fs_name.as_str(), "luks" | "luks2") && !self.luks_mapper_name.is_empty()
    }

    fn is_swap(&self) -> bool {
        self.claimed && self.fs == "linuxswap" && !self.device.is_empty()
    }

    fn luks(&self) -> Luks {
        let uuid = if self.luks_uuid.is_empty() {
            &self.uuid
        } else {
            &self.luks_uuid
        };
        Luks {
            name: self.luks_mapper_name.clone(),
            uuid: uuid.clone(),
            device: PathBuf::from(&self.device),
            is_swap: self.fs == "linuxswap",
        }
    }
}

impl Globals {
    /// The mount point, once the mount job has run.
    #[must_use]
    pub fn target(&self) -> Option<&Path> {
        (!self.root_mount_point.is_empty()).then(|| Path::new(&self.root_mount_point))
    }

    /// What is left to be done by hand when the installation fails.
    #[must_use]
    pub fn next(&self) -> Option<ByHand<'_>> {
        Some(ByHand {
            target: self.target()?,
            login: &self.username,
        })
    }

    /// The mount point, for the installation.
    ///
    /// # Errors
    /// When there is none: the jobs are in the wrong order.
    pub fn mounted(&self) -> Result<&Path> {
        self.target().ok_or_else(|| CalamaresProblem::NotMounted.into())
    }

    /// Whether the machine starts from a BIOS.
    #[must_use]
    pub fn is_bios(&self) -> bool {
        self.firmware_type == "bios"
    }

    /// What the person decided, and the machine where it is not in globalStorage. `target` is where the disk is mounted, or
    /// will be.
    #[must_use]
    pub fn decisions(&self, target: &Path) -> Decisions {
        let of_machine = Decisions::of_machine(target);
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let machine = self.machine();
        Decisions {
            firmware: match self.firmware_type.as_str() {
                "efi" => Firmware::Efi,
                "bios" => Firmware::Bios,
                _ => of_machine.firmware,
            },
            login: known(&self.username),
            // The page asks for one with every name.
            password_typed: !self.username.is_empty(),
            root_encrypted: self.mounted_at("/").is_some_and(Partition::is_encrypted),
            keymap: machine.keymap.or(of_machine.keymap),
            layout: known(&self.keyboard_layout).map(|layout| Layout {
                layout,
                variant: self.keyboard_variant.clone(),
            }),
            boot_disk: machine.grub_device.map(PathBuf::from),
            no_boot_loader: machine.no_boot_loader,
            partitions_graphically: true,
            ..of_machine
        }
    }

    /// What the configuration cannot know of this machine, once its disk is partitioned.
    #[must_use]
    pub fn machine(&self) -> InstallerFacts {
        let chosen = |path: &str| (!path.is_empty()).then(|| path.to_owned());
        let disk = self.boot_disk().and_then(chosen);
        InstallerFacts {
            no_boot_loader: self.has_no_boot_loader(),
            btrfs_root: self.mounted_at("/").is_some_and(|root| root.fs == "btrfs"),
            latest_kernel: false,
            grub_device: disk.filter(|_| self.is_bios()),
            luks: self
                .partitions
                .iter()
                .filter(|partition| partition.is_encrypted() && !partition.device.is_empty())
                .map(Partition::luks)
                .collect(),
            encrypted_boot: self.is_bios() && self.holder_of_boot().is_some_and(Partition::is_encrypted),
            swap: self
                .partitions
                .iter()
                .filter(|one| one.is_swap())
                .map(swap_device)
                .collect(),
            keymap: chosen(self.console_keymap.trim())
                .or_else(|| keymap::of_layout(&self.keyboard_layout, &self.keyboard_variant)),
            host: self.host(),
            before_partitioning: false,
        }
    }

    fn boot_disk(&self) -> Option<&str> {
        self.boot_loader.as_ref().map(|loader| loader.install_path.as_str())
    }

    /// On a BIOS the page of partitions offers to install none; the partition job then leaves no path. On UEFI it never
    /// leaves one.
    fn has_no_boot_loader(&self) -> bool {
        self.is_bios() && !self.partitions.is_empty() && self.boot_disk().is_none_or(str::is_empty)
    }

    /// What can be said of it before: which disk and which partitions will be chosen is not in globalStorage yet.
    #[must_use]
    pub fn machine_before_partitioning(&self) -> InstallerFacts {
        InstallerFacts {
            grub_device: self.is_bios().then(|| ANY_DISK.to_owned()),
            before_partitioning: true,
            host: self.host(),
            ..InstallerFacts::default()
        }
    }

    fn host(&self) -> Option<String> {
        (!self.host.is_empty()).then(|| self.host.clone())
    }

    /// The passphrases of the encrypted volumes, by partition.
    #[must_use]
    pub fn passphrases(&self) -> HashMap<PathBuf, SecretString> {
        let encrypted = self.partitions.iter().filter(|partition| partition.is_encrypted());
        encrypted
            .filter_map(|partition| Some((PathBuf::from(&partition.device), partition.luks_passphrase.clone()?)))
            .collect()
    }

    fn mounted_at(&self, place: &str) -> Option<&Partition> {
        let mut claimed = self.partitions.iter().filter(|partition| partition.claimed);
        claimed.find(|partition| partition.mount_point == place)
    }

    /// The file system with the kernels: /boot, or the root where there is none.
    fn holder_of_boot(&self) -> Option<&Partition> {
        self.mounted_at("/boot").or_else(|| self.mounted_at("/"))
    }
}

fn swap_device(partition: &Partition) -> PathBuf {
    if partition.is_encrypted() {
        Path::new("/dev/mapper").join(&partition.luks_mapper_name)
    } else {
        PathBuf::from(&partition.device)
    }
}

/// Any scalar as text; null is empty.
fn text<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    })
}

/// A boolean, or a number as Python gives it.
fn truth<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<bool, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(value) => value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        _ => false,
    })
}

/// A list; null is empty.
fn list<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<Partition>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn what_the_real_jobs_of_calamares_leave_is_understood() {
        let globals: Globals = serde_json::from_str(
            r#"{"firmwareType": "efi", "bootLoader": null, "rootMountPoint": "/tmp/calamares-root-x", "username": "alice",
                "packagechooser_host": "laptop", "keyboardVConsoleKeymap": "de-latin1 ", "localeConf": {"LANG": "de_DE.UTF-8"}, "partitions": [
                {"device": "", "mountPoint": "", "fs": "unknown", "fsName": "unknown", "uuid": "", "claimed": 0},
                {"device": "/dev/sda1", "mountPoint": "/boot", "fs": "fat32", "fsName": "fat32", "uuid": "AB-CD", "claimed": 1},
                {"device": "/dev/sda2", "mountPoint": "/", "fs": "ext4", "fsName": "luks2", "uuid": "u-2", "claimed": true,
                 "luksMapperName": "luks-2", "luksUuid": "l-2", "luksPassphrase": "correct horse"},
                {"device": "/dev/sda3", "mountPoint": null, "fs": "linuxswap", "fsName": "luks2", "uuid": "u-3", "claimed": true,
                 "luksMapperName": "luks-3", "luksUuid": null, "luksPassphrase": "correct horse"}]}"#,
        )
        .unwrap();
        assert_eq!(globals.target(), Some(Path::new("/tmp/calamares-root-x")));
        let luks = |n: u8, uuid: &str, is_swap| Luks {
            name: format!("luks-{n}"),
            uuid: uuid.to_owned(),
            device: PathBuf::from(format!("/dev/sda{n}")),
            is_swap,
        };
        assert_eq!(
            globals.machine(),
            InstallerFacts {
                grub_device: None,
                no_boot_loader: false,
                btrfs_root: false,
                latest_kernel: false,
                luks: vec![luks(2, "l-2", false), luks(3, "u-3", true)],
                encrypted_boot: false,
                swap: vec!["/dev/mapper/luks-3".into()],
                keymap: Some("de-latin1".to_owned()),
                host: Some("laptop".to_owned()),
                before_partitioning: false,
            }
        );
        let passphrases = globals.passphrases();
        assert_eq!(passphrases[Path::new("/dev/sda2")].expose_secret(), "correct horse");
        assert!(
            !format!("{globals:?}").contains("correct"),
            "a passphrase in a debug text"
        );
    }

    #[test]
    fn the_layout_of_the_keyboard_page_is_a_decision() {
        let layout = |json: &str| {
            serde_json::from_str::<Globals>(json)
                .unwrap()
                .decisions(Path::new("/"))
                .layout
        };
        let chosen = layout(r#"{"keyboardLayout": "de", "keyboardVariant": "neo"}"#).unwrap();
        assert_eq!((chosen.layout.as_str(), chosen.variant.as_str()), ("de", "neo"));
        assert_eq!(layout("{}"), None);
    }

    #[test]
    fn an_empty_global_storage_means_that_nothing_is_known() {
        let globals: Globals = serde_json::from_str("{}").unwrap();
        assert_eq!(globals.target(), None);
        assert_eq!(globals.machine(), InstallerFacts::default());
    }

    #[test]
    fn a_bios_starts_from_the_disk_that_was_chosen_and_a_separate_boot_needs_no_key() {
        let machine = |boot: &str| {
            let json = format!(
                r#"{{"firmwareType": "bios", "bootLoader": {{"installPath": "/dev/sda"}}, "rootMountPoint": "/t", "partitions": [
                    {{"device": "/dev/sda2", "mountPoint": "/", "fs": "ext4", "fsName": "luks", "claimed": true,
                      "luksMapperName": "luks-2", "luksUuid": "l-2"}}{boot}]}}"#
            );
            serde_json::from_str::<Globals>(&json).unwrap().machine()
        };
        assert_eq!(machine("").grub_device.as_deref(), Some("/dev/sda"));
        assert!(machine("").encrypted_boot);
        let boot =
            r#", {"device": "/dev/sda1", "mountPoint": "/boot", "fs": "ext4", "fsName": "ext4", "claimed": true}"#;
        assert!(!machine(boot).encrypted_boot);
    }

    #[test]
    fn a_bios_without_a_boot_disk_gets_no_boot_loader() {
        let machine = |firmware: &str, loader: &str, partitions: &str| {
            let json =
                format!(r#"{{"firmwareType": "{firmware}", "bootLoader": {loader}, "partitions": [{partitions}]}}"#);
            serde_json::from_str::<Globals>(&json).unwrap().machine()
        };
        let root = r#"{"device": "/dev/sda1", "mountPoint": "/", "fs": "ext4", "fsName": "ext4", "claimed": true}"#;
        assert!(machine("bios", "null", root).no_boot_loader);
        assert!(machine("bios", r#"{"installPath": ""}"#, root).no_boot_loader);
        assert!(!machine("bios", r#"{"installPath": "/dev/sda"}"#, root).no_boot_loader);
        assert!(!machine("efi", "null", root).no_boot_loader);
        // Before the partition job nothing is decided.
        assert!(!machine("bios", "null", "").no_boot_loader);
    }
}
