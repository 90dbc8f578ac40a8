//! globalStorage, as the pages and jobs of Calamares 3.3 and 3.4 fill it. Odd entries are the rule: the real partition job
//! begins its list with an empty one, `bootLoader` is null on UEFI, booleans come as numbers.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Result;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::dialog::ByHand;
use super::disk_page::{self, DiskPage};
use super::keymap;
use crate::diagnostic::CalamaresProblem;
use crate::live::answers::{Answers, Lists};
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
    /// What the page `packagechooserq@disk` leaves, where a layout for disko makes the disk.
    #[serde(rename = "packagechooser_disk", deserialize_with = "disk_page")]
    disk_page: Option<DiskPage>,
    #[serde(rename = "keyboardVConsoleKeymap", deserialize_with = "text")]
    console_keymap: String,
    #[serde(deserialize_with = "text")]
    keyboard_layout: String,
    #[serde(deserialize_with = "text")]
    keyboard_variant: String,
    #[serde(deserialize_with = "text")]
    location_region: String,
    #[serde(deserialize_with = "text")]
    location_zone: String,
    locale_conf: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "text")]
    hostname: String,
    #[serde(deserialize_with = "text")]
    fullname: String,
    /// The account to log in automatically; present if the box was ticked.
    #[serde(deserialize_with = "text")]
    auto_login_user: String,
    /// Whether the box is ticked; absent where its page is not shown.
    #[serde(rename = "nixos_allow_unfree", deserialize_with = "box_of_page")]
    unfree: Option<bool>,
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

    /// What is left to be done by hand when the installation fails. `made`: where a layout was made and mounted.
    #[must_use]
    pub fn next<'a>(&'a self, made: Option<&'a Path>) -> Option<ByHand<'a>> {
        Some(ByHand {
            target: self.target().or(made)?,
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
            partitions_graphically: self.disk_page.is_none(),
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
            disks: BTreeMap::new(),
            layout_sets_file_systems: false,
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

    /// What a layout for disko on the chosen disks does not say of it: the keymap that its passphrase was typed with.
    #[must_use]
    pub fn machine_of_layout(&self) -> InstallerFacts {
        InstallerFacts {
            keymap: self.machine().keymap.filter(|_| self.has_passphrase()),
            host: self.host(),
            ..InstallerFacts::before_partitioning()
        }
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

    /// The answers on the pages that were shown. `lists` is what there is to choose from.
    #[must_use]
    pub fn answers(&self, lists: &Lists) -> Answers {
        let mut answers = Answers::new();
        let mut answer = |key: &str, value: &str| {
            if !value.is_empty() {
                answers.insert(key.to_owned(), value.to_owned());
            }
        };
        if !self.location_region.is_empty() {
            answer("timezone", &format!("{}/{}", self.location_region, self.location_zone));
        }
        let locales = self.locale_conf.iter().flatten();
        for (key, value) in locales.filter(|(key, _)| *key == "LANG" || key.starts_with("LC_")) {
            let key = if key == "LANG" { "locale" } else { key };
            // With or without its character set, as in glibc's list.
            let locale = value.split('/').next().unwrap_or_default();
            // The parts follow from the time zone: the ISO need not have them.
            if key == "locale" || lists.may_have_locale(locale) {
                answer(key, locale);
            }
        }
        answer("layout", &self.keyboard_layout);
        // It is not chosen but derived from the layout, and need not exist. Where passphrases are typed with it, it is a fact of
        // the machine.
        let keymap = self.machine().keymap.filter(|keymap| lists.may_have_keymap(keymap));
        answer(
            "keymap",
            keymap.as_deref().filter(|_| !self.has_passphrase()).unwrap_or_default(),
        );
        answer("hostname", &self.hostname);
        answer("user", &self.username);
        // What was left empty or not ticked on a page replaces that of the settings as well.
        if let Some(unfree) = self.unfree {
            answers.insert("unfree".to_owned(), unfree.to_string());
        }
        if !self.keyboard_layout.is_empty() {
            answers.insert("variant".to_owned(), self.keyboard_variant.clone());
        }
        if !self.username.is_empty() {
            answers.insert("fullname".to_owned(), self.fullname.clone());
            let autologin = !self.auto_login_user.is_empty();
            answers.insert("autologin".to_owned(), autologin.to_string());
        }
        answers
    }

    /// What was chosen on the page "Disk".
    #[must_use]
    pub const fn disk_page(&self) -> Option<&DiskPage> {
        self.disk_page.as_ref()
    }

    /// The host that was chosen; `None` where the ISO has one.
    #[must_use]
    pub fn host(&self) -> Option<String> {
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

    /// Whether one was typed that opens volumes when the machine starts.
    fn has_passphrase(&self) -> bool {
        let of_page = self.disk_page.as_ref().and_then(|page| page.passphrase.as_ref());
        of_page.is_some() || !self.passphrases().is_empty()
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

fn box_of_page<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<bool>, D::Error> {
    truth(from).map(Some)
}

/// What the page "Disk" leaves; null and other text are nothing.
fn disk_page<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<DiskPage>, D::Error> {
    Ok(disk_page::read(&text(from)?))
}

/// A list; null is empty.
fn list<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<Partition>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
