//! A report of a machine: what `nix-cfg-install --describe` writes there, and `nix-cfg-iso doctor --machine` reads elsewhere.
//! docs/machine.md describes it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::live::decisions::Firmware;
use crate::text::bytes;

/// What such a document is called in its `kind`.
pub(super) const KIND: &str = "nix-cfg-install machine";
/// The version of the documents that this program writes and reads.
pub(super) const VERSION: u64 = 1;

/// The machine. What is absent is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct MachineReport {
    /// Its platform: `x86_64-linux`.
    pub platform: String,
    /// How it was started.
    pub firmware: Firmware,
    /// Whether the firmware starts only what is signed.
    #[serde(default)]
    pub secure_boot: Option<bool>,
    /// Whether the firmware has no keys yet and accepts any.
    #[serde(default)]
    pub setup_mode: Option<bool>,
    /// All of its memory, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// The major version of the TPM.
    #[serde(default)]
    pub tpm: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub product: Product,
    /// Disks that a system can be installed on. The live system's own medium is none of them.
    #[serde(default, deserialize_with = "or_default")]
    pub disks: Vec<Disk>,
    /// Network cards, graphics cards and accelerators.
    #[serde(default, deserialize_with = "or_default")]
    pub pci: Vec<PciDevice>,
    /// What nixos-generate-config writes for it, without file systems.
    #[serde(default)]
    pub hardware_configuration: Option<String>,
}

/// What the maker calls it (SMBIOS).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct Product {
    pub vendor: String,
    pub name: String,
    pub board_vendor: String,
    pub board_name: String,
}

/// A disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Disk {
    /// As the kernel names it: `/dev/nvme0n1`.
    pub path: PathBuf,
    /// Its links in /dev/disk/by-id and by-path.
    #[serde(default, deserialize_with = "or_default")]
    pub names: Vec<PathBuf>,
    #[serde(default)]
    pub bytes: Option<u64>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct Partition {
    pub path: PathBuf,
    #[serde(default, deserialize_with = "or_default")]
    pub names: Vec<PathBuf>,
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Whether its type is that of an EFI system partition.
    #[serde(default, deserialize_with = "or_default")]
    pub esp: bool,
    /// `ext4`, `vfat`, …
    #[serde(default)]
    pub file_system: Option<String>,
    /// What is free on it, where it is mounted.
    #[serde(default)]
    pub free_bytes: Option<u64>,
}

/// A device on PCI: four hexadecimal digits each, and six for the class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct PciDevice {
    pub class: String,
    pub vendor: String,
    pub device: String,
}

/// A value, or its default for `null`.
fn or_default<'a, D: serde::Deserializer<'a>, T: Default + Deserialize<'a>>(json: D) -> Result<T, D::Error> {
    Option::deserialize(json).map(Option::unwrap_or_default)
}

/// The document.
#[derive(Serialize)]
pub(super) struct Document<R> {
    pub kind: &'static str,
    pub version: u64,
    #[serde(flatten)]
    pub report: R,
}

impl MachineReport {
    /// The document.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_json(&self) -> Result<String> {
        let document = Document {
            kind: KIND,
            version: VERSION,
            report: self,
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    /// What a person recognizes it by.
    #[must_use]
    pub fn title(&self) -> String {
        let Product { vendor, name, .. } = &self.product;
        let product = format!("{vendor} {name}").trim().to_owned();
        let firmware = match self.firmware {
            Firmware::Efi => "UEFI",
            Firmware::Bios => "BIOS",
        };
        let memory = self.memory_bytes.map(|memory| format!("{} of memory", bytes(memory)));
        let parts = [Some(product), Some(firmware.to_owned()), memory].into_iter().flatten();
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    /// Where the name of a disk or partition leads on that machine: `/dev/disk/by-id/…` to `/dev/sda`. `None` without one.
    #[must_use]
    pub fn real_path(&self, name: &Path) -> Option<&Path> {
        let disks = self.disks.iter().flat_map(|disk| {
            let partitions = disk.partitions.iter();
            std::iter::once((&disk.path, &disk.names)).chain(partitions.map(|part| (&part.path, &part.names)))
        });
        let mut found = disks.filter(|(path, names)| *path == name || names.iter().any(|known| known == name));
        found.next().map(|(path, _)| path.as_path())
    }
}
