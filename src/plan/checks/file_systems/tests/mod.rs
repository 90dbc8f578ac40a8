mod all;
mod not_imported;
mod contradictions;
mod one;

use super::*;
use crate::diagnostic::{HardwareProblem, Severity};
use crate::live::decisions::{Decisions, Firmware};
use crate::nix::facts::{Boot, Swap, Volume};
use crate::plan::checks::boot::needed_esp;
use crate::plan::observed::{Device, Mounted};

/// The live system has these devices, and what is mounted is one of them.
const DEVICES: [(&str, &str); 9] = [
    ("/dev/sda1", "8:1"),
    ("/dev/sda2", "8:2"),
    ("/dev/sda3", "8:3"),
    ("/dev/sdb2", "8:18"),
    ("/dev/nvme0n1p2", "259:2"),
    ("/dev/disk/by-uuid/u-root", "8:2"),
    ("/dev/disk/by-label/other", "8:18"),
    ("/dev/disk/by-label/twin", "8:18"),
    ("/dev/mapper/live-name", "254:0"),
];

fn device(number: &str, names: &[(&'static str, &str)]) -> Device {
    Device {
        number: number.to_owned(),
        names: names
            .iter()
            .map(|(directory, name)| (*directory, (*name).to_owned()))
            .collect(),
        containers: Vec::new(),
        partition: None,
    }
}

fn root() -> Mounted {
    Mounted {
        at: "/".into(),
        kind: "ext4".into(),
        part: "/".into(),
        source: "/dev/sda2".into(),
        devices: vec![device(
            "8:2",
            &[
                ("by-uuid", "u-root"),
                ("by-label", "twin"),
                ("by-partlabel", "my\\x20root"),
            ],
        )],
    }
}

fn esp_mounted() -> Mounted {
    Mounted {
        at: "/boot".into(),
        kind: "vfat".into(),
        part: "/".into(),
        source: "/dev/sda1".into(),
        devices: vec![device("8:1", &[("by-uuid", "AB-CD")])],
    }
}

/// A file system that the configuration sets in `disk.nix`.
fn system(at: &str, device: &str, kind: &str, options: &[&str]) -> FileSystem {
    FileSystem {
        at: at.into(),
        name: at.into(),
        device: device.into(),
        kind: kind.into(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        set: vec![Definition {
            file: "/snapshot/disk.nix".into(),
            value: device.into(),
        }],
        kind_set: Vec::new(),
        files: vec!["/snapshot/disk.nix".into()],
        needed_for_boot: false,
    }
}

fn tree() -> Tree<'static> {
    Tree {
        root: Path::new("/snapshot"),
        hardware: vec!["hardware-configuration.nix".into()],
        generated: true,
        partitioned: true,
        made_by_layout: false,
    }
}

fn observed(mounted: Vec<Mounted>) -> Observed {
    Observed {
        mounted,
        devices: DEVICES
            .map(|(path, number)| (path.to_owned(), number.to_owned()))
            .into(),
        ..Observed::default()
    }
}

fn efi() -> Boot {
    Boot {
        loaders: vec!["systemd-boot".into()],
        esp: "/boot".into(),
        ..Boot::default()
    }
}

/// The problems at /mnt, where `mounted` is.
fn problems_of(disks: &Disks, mounted: Vec<Mounted>, boot: &Boot, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let decisions = Decisions::default();
    let esp = needed_esp(boot, &decisions);
    at_target(disks, esp, tree, (Path::new("/mnt"), &observed(mounted)), &[])
}

fn codes(disks: &Disks, mounted: Vec<Mounted>, boot: &Boot) -> Vec<String> {
    let short = |problem: &Diagnostic| format!("{:?} {}", problem.severity, problem.code);
    problems_of(disks, mounted, boot, &tree()).iter().map(short).collect()
}

fn disks(systems: &[FileSystem]) -> Disks {
    Disks {
        file_systems: systems.to_vec(),
        ..Disks::default()
    }
}

fn root_is(device: &str, kind: &str, options: &[&str], mounted: Mounted) -> Vec<String> {
    codes(
        &disks(&[system("/", device, kind, options)]),
        vec![mounted],
        &Boot::default(),
    )
}

const OTHER: &str = "Error file-system-other";
const UNSURE: &str = "Warning file-system-unsure";
