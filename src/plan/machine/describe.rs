//! The report of this machine. Nothing is mounted or written, and nothing needs root.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::report::{Disk, MachineReport, Partition, PciDevice, Product};
use crate::live::decisions::Firmware;
use crate::live::disks;
use crate::live::this_machine::{links, text};
use crate::memory::Memory;
use crate::plan::checks::platform;
use crate::plan::observed::SecureBoot;
use crate::process::{Invocation, Runner};
use crate::progress::Reporter;

/// The classes of PCI that are reported: network controllers, display controllers, wireless controllers, processing accelerators
/// (an NPU is one of them).
const CLASSES: [&str; 4] = ["02", "03", "0d", "12"];

/// The types of EFI system partitions: in a GPT, and in the table of a BIOS.
const ESP_TYPES: [&str; 2] = ["c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef"];

/// Describes this machine. What cannot be found out is absent.
pub fn describe(runner: &Runner, report: &Reporter) -> MachineReport {
    let invocation = Invocation::new("nixos-generate-config").args(["--show-hardware-config", "--no-filesystems"]);
    let generated = runner.output(&invocation);
    if let Err(error) = &generated {
        report.note(&format!("Without a hardware configuration: {error:#}"));
    }
    let columns = [
        "--json",
        "--bytes",
        "--list",
        "--output",
        "PATH,PARTTYPE,FSTYPE,FSAVAIL",
    ];
    let listed = runner.output(&Invocation::new("lsblk").args(columns));
    if let Err(error) = &listed {
        report.note(&format!("Without the types of partitions: {error:#}"));
    }
    MachineReport {
        hardware_configuration: generated.ok().filter(|text| !text.is_empty()).map(|text| text + "\n"),
        ..of_files(Path::new("/"), &contents(&listed.unwrap_or_default()))
    }
}

/// What `lsblk` says of a block device: util-linux 2.34 and later.
#[derive(Default, Deserialize)]
struct Contents {
    path: PathBuf,
    parttype: Option<String>,
    fstype: Option<String>,
    fsavail: Option<u64>,
}

fn contents(json: &str) -> BTreeMap<PathBuf, Contents> {
    #[derive(Default, Deserialize)]
    struct Listed {
        blockdevices: Vec<Contents>,
    }
    let listed: Listed = serde_json::from_str(json).unwrap_or_default();
    let devices = listed.blockdevices.into_iter();
    devices.map(|device| (device.path.clone(), device)).collect()
}

/// What the files of the live system at `live` say, below /sys, /proc and /dev.
fn of_files(live: &Path, contents: &BTreeMap<PathBuf, Contents>) -> MachineReport {
    let variables = live.join("sys/firmware/efi/efivars");
    let secure_boot = SecureBoot::read(&variables, None, std::iter::empty());
    let dmi = |name: &str| text(&live.join("sys/class/dmi/id").join(name)).unwrap_or_default();
    let names = links(live);
    let mut disks = disks::disks(live);
    disks.sort();
    MachineReport {
        platform: platform::own(),
        firmware: Firmware::of(live),
        secure_boot: secure_boot.on,
        setup_mode: secure_boot.setup_mode,
        memory_bytes: Memory::read(&live.join("proc")).map(|memory| memory.total),
        tpm: text(&live.join("sys/class/tpm/tpm0/tpm_version_major")),
        product: Product {
            vendor: dmi("sys_vendor"),
            name: dmi("product_name"),
            board_vendor: dmi("board_vendor"),
            board_name: dmi("board_name"),
        },
        disks: disks
            .iter()
            .filter_map(|disk| self::disk(disk, &names, contents))
            .collect(),
        pci: pci(live),
        hardware_configuration: None,
    }
}

/// The disk whose directory in sysfs is `sys`.
fn disk(sys: &Path, names: &BTreeMap<PathBuf, Vec<PathBuf>>, contents: &BTreeMap<PathBuf, Contents>) -> Option<Disk> {
    let path = Path::new("/dev").join(sys.file_name()?);
    let entries = fs::read_dir(sys).ok()?.flatten().map(|entry| entry.path());
    let mut partitions: Vec<PathBuf> = entries.filter(|entry| entry.join("partition").exists()).collect();
    partitions.sort_by_key(|partition| disks::number(&partition.join("partition")));
    let partition = |sys: &PathBuf| {
        let path = Path::new("/dev").join(sys.file_name()?);
        let found = contents.get(&path);
        let kind = found.and_then(|found| found.parttype.as_deref());
        Some(Partition {
            names: names.get(&path).cloned().unwrap_or_default(),
            bytes: disks::size(sys),
            esp: kind.is_some_and(|kind| ESP_TYPES.contains(&kind)),
            file_system: found.and_then(|found| found.fstype.clone()),
            free_bytes: found.and_then(|found| found.fsavail),
            path,
        })
    };
    Some(Disk {
        names: names.get(&path).cloned().unwrap_or_default(),
        bytes: disks::size(sys),
        model: text(&sys.join("device/model")),
        partitions: partitions.iter().filter_map(partition).collect(),
        path,
    })
}

fn pci(live: &Path) -> Vec<PciDevice> {
    let entries = fs::read_dir(live.join("sys/bus/pci/devices"))
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let device = |path: &PathBuf| {
        let id = |name: &str| Some(text(&path.join(name))?.trim_start_matches("0x").to_owned());
        let class = id("class")?;
        let is_reported = CLASSES.iter().any(|known| class.starts_with(known));
        is_reported.then_some(PciDevice {
            class,
            vendor: id("vendor")?,
            device: id("device")?,
        })
    };
    paths.iter().filter_map(device).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::live::decisions::Firmware;

    /// What `lsblk` prints of a disk with an EFI system partition that is mounted.
    const LSBLK: &str = r#"{ "blockdevices": [
      {"path":"/dev/sda", "parttype":null, "fstype":null, "fsavail":null},
      {"path":"/dev/sda1", "parttype":"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "fstype":"vfat", "fsavail":52428800} ] }"#;

    /// The files of a live system on a machine with one disk.
    fn write_machine(live: &Path) {
        let write = |name: &str, bytes: &[u8]| {
            let path = live.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let variables = "sys/firmware/efi/efivars";
        let id = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
        write(&format!("{variables}/SecureBoot-{id}"), &[6, 0, 0, 0, 1]);
        write(&format!("{variables}/SetupMode-{id}"), &[6, 0, 0, 0, 0]);
        write("proc/meminfo", b"MemTotal:       16000000 kB\nMemAvailable: 1 kB\n");
        write("sys/class/tpm/tpm0/tpm_version_major", b"2\n");
        write("sys/class/dmi/id/sys_vendor", b"ACME\n");
        write("sys/class/dmi/id/product_serial", b"SECRET\n");
        for (card, class) in [("0000:00:02.0", "0x030000"), ("0000:00:1f.0", "0x060100")] {
            for (name, value) in [("class", class), ("vendor", "0x8086"), ("device", "0x46a6")] {
                write(&format!("sys/bus/pci/devices/{card}/{name}"), value.as_bytes());
            }
        }
        for (name, value) in [("size", "1000"), ("ro", "0"), ("device/model", "Disk X  ")] {
            write(&format!("sys/block/sda/{name}"), value.as_bytes());
        }
        write("sys/block/sda/sda1/partition", b"1\n");
        write("sys/block/sda/sda1/size", b"200\n");
        for (directory, name, device) in [
            ("by-id", "ata-X_1", "sda"),
            ("by-id", "ata-X_1-part1", "sda1"),
            ("by-uuid", "A-B", "sda1"),
        ] {
            let links = live.join("dev/disk").join(directory);
            fs::create_dir_all(&links).unwrap();
            symlink(Path::new("../..").join(device), links.join(name)).unwrap();
        }
    }

    #[test]
    fn the_machine_is_described_from_its_files() {
        let live = tempfile::tempdir().unwrap();
        let empty = of_files(live.path(), &contents(""));
        let expected = MachineReport {
            platform: platform::own(),
            firmware: Firmware::Bios,
            ..MachineReport::default()
        };
        assert_eq!(empty, expected);
        write_machine(live.path());
        let report = of_files(live.path(), &contents(LSBLK));
        assert_eq!(
            (report.firmware, report.secure_boot, report.setup_mode),
            (Firmware::Efi, Some(true), Some(false))
        );
        assert_eq!(
            (report.memory_bytes, report.tpm.as_deref()),
            (Some(16_384_000_000), Some("2"))
        );
        assert_eq!(report.product.vendor, "ACME");
        let card = PciDevice {
            class: "030000".to_owned(),
            vendor: "8086".to_owned(),
            device: "46a6".to_owned(),
        };
        assert_eq!(report.pci, [card]);
        let partition = Partition {
            path: "/dev/sda1".into(),
            names: vec!["/dev/disk/by-id/ata-X_1-part1".into()],
            bytes: Some(200 * 512),
            esp: true,
            file_system: Some("vfat".to_owned()),
            free_bytes: Some(52_428_800),
        };
        let disk = Disk {
            path: "/dev/sda".into(),
            names: vec!["/dev/disk/by-id/ata-X_1".into()],
            bytes: Some(512_000),
            model: Some("Disk X".to_owned()),
            partitions: vec![partition],
        };
        assert_eq!(report.disks, [disk]);
        assert!(!report.to_json().unwrap().contains("SECRET"));
    }
}
