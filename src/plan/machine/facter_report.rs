//! The report of nixos-facter, as far as it says what a [`MachineReport`] has (pkg/facter/facter.go, pkg/hwinfo/hardware.go;
//! version 1 of the report).

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::report::{Disk, MachineReport, Product};
use crate::live::decisions::Firmware;

/// The version of the reports that are read.
pub(super) const VERSION: u64 = 1;

/// Such a report.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Report {
    system: String,
    uefi: Uefi,
    hardware: Hardware,
    #[serde(default)]
    smbios: Smbios,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Uefi {
    supported: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct Hardware {
    disk: Vec<Device>,
    memory: Vec<Device>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct Device {
    model: Option<String>,
    unix_device_names: Vec<PathBuf>,
    resources: Vec<Resource>,
}

/// Of any kind; the fields of sizes and of memory.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct Resource {
    r#type: String,
    unit: Value,
    value_1: Option<u64>,
    value_2: Option<u64>,
    range: Value,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct Smbios {
    system: Maker,
    board: Maker,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "an object")]
struct Maker {
    manufacturer: String,
    product: String,
}

impl From<Report> for MachineReport {
    fn from(report: Report) -> Self {
        let memory = report.hardware.memory.iter().flat_map(|device| &device.resources);
        let memory: u64 = memory
            .filter(|resource| resource.r#type == "phys_mem")
            .filter_map(|resource| resource.range.as_u64())
            .sum();
        Self {
            platform: report.system,
            firmware: if report.uefi.supported {
                Firmware::Efi
            } else {
                Firmware::Bios
            },
            memory_bytes: (memory > 0).then_some(memory),
            product: Product {
                vendor: report.smbios.system.manufacturer,
                name: report.smbios.system.product,
                board_vendor: report.smbios.board.manufacturer,
                board_name: report.smbios.board.product,
            },
            disks: report.hardware.disk.iter().filter_map(disk).collect(),
            ..Self::default()
        }
    }
}

fn disk(device: &Device) -> Option<Disk> {
    let (links, paths): (Vec<PathBuf>, Vec<PathBuf>) = device
        .unix_device_names
        .iter()
        .cloned()
        .partition(|name| name.starts_with("/dev/disk"));
    let size = device.resources.iter().find_map(|resource| {
        // Sectors, and the bytes of one.
        let is_size = resource.r#type == "size" && resource.unit == "sectors";
        resource.value_1.zip(resource.value_2).filter(|_| is_size)
    });
    Some(Disk {
        path: paths.into_iter().next()?,
        names: links,
        bytes: size.map(|(sectors, bytes)| sectors.saturating_mul(bytes)),
        model: device.model.clone(),
        partitions: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nixos_facter_says_of_firmware_memory_and_disks_is_read() {
        let text = r#"{
          "version": 1, "system": "aarch64-linux", "virtualisation": "none", "uefi": { "supported": true, "platform_size": 64 },
          "hardware": {
            "disk": [{ "index": 7, "model": "Samsung SSD", "unix_device_names": ["/dev/disk/by-id/nvme-S_1", "/dev/nvme0n1"],
              "resources": [{ "type": "disk_geo", "cylinders": 9, "size": "0x1" },
                { "type": "size", "unit": "sectors", "value_1": 1000, "value_2": 512 }] }],
            "memory": [{ "resources": [{ "type": "mem", "base": 0, "range": 5, "access": "read_write" },
                { "type": "phys_mem", "range": 17179869184 }] }],
            "network_controller": [{ "base_class": { "hex": "0002", "value": 2 }, "vendor": "Intel" }]
          },
          "smbios": { "system": { "handle": 1, "manufacturer": "ACME", "product": "One", "version": "2" } }
        }"#;
        let read = MachineReport::from(serde_json::from_str::<Report>(text).unwrap());
        assert_eq!(
            (read.platform.as_str(), read.firmware),
            ("aarch64-linux", Firmware::Efi)
        );
        assert_eq!(read.memory_bytes, Some(17_179_869_184));
        assert_eq!(read.title(), "ACME One, UEFI, 17.18 GB of memory");
        let disk = Disk {
            path: "/dev/nvme0n1".into(),
            names: vec!["/dev/disk/by-id/nvme-S_1".into()],
            bytes: Some(512_000),
            model: Some("Samsung SSD".to_owned()),
            partitions: Vec::new(),
        };
        assert_eq!(read.disks, [disk]);
    }
}
