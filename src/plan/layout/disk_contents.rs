//! What is on a disk: in lines that a person reads before it is erased, and the pools of ZFS.

use std::path::PathBuf;

use serde::Deserialize;

use crate::process::{Invocation, Runner};

/// What `lsblk` says of a block device: util-linux 2.34 and later.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Device {
    path: String,
    size: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    fstype: Option<String>,
    label: Option<String>,
    partlabel: Option<String>,
    children: Vec<Device>,
}

/// What is on `device`, a line a part, with sizes and labels; empty where that has neither partitions nor file systems, or cannot be
/// listed.
pub(super) fn of_device(runner: &Runner, device: &str) -> Vec<String> {
    let columns = "PATH,SIZE,MODEL,SERIAL,FSTYPE,LABEL,PARTLABEL";
    let ask = Invocation::new("lsblk").args(["--json", "--tree", "--output", columns]);
    listed(&runner.output(&ask.arg(device).quiet()).unwrap_or_default())
}

/// The names and devices of the pools of ZFS on this machine, whether they are imported or not.
pub(super) fn pools(runner: &Runner) -> Vec<(String, PathBuf)> {
    let ask = Invocation::new("lsblk").args(["--json", "--list", "--output", "PATH,FSTYPE,LABEL"]);
    members_of_pools(&runner.output(&ask.quiet()).unwrap_or_default())
}

fn members_of_pools(json: &str) -> Vec<(String, PathBuf)> {
    let members = devices(json)
        .into_iter()
        .filter(|device| device.fstype.as_deref() == Some("zfs_member"));
    members
        .filter_map(|device| Some((device.label?, device.path.into())))
        .collect()
}

/// What `lsblk` lists, as JSON.
fn devices(json: &str) -> Vec<Device> {
    #[derive(Default, Deserialize)]
    struct Listed {
        blockdevices: Vec<Device>,
    }
    serde_json::from_str::<Listed>(json).unwrap_or_default().blockdevices
}

/// The lines about them.
fn listed(json: &str) -> Vec<String> {
    devices(json).iter().flat_map(holds).collect()
}

/// The lines about a disk, unless it is empty.
fn holds(disk: &Device) -> Vec<String> {
    let mut lines = vec![line(disk)];
    let mut rest: Vec<&Device> = disk.children.iter().rev().collect();
    let is_empty = rest.is_empty() && disk.fstype.is_none();
    while let Some(device) = rest.pop() {
        lines.push(line(device));
        rest.extend(device.children.iter().rev());
    }
    if is_empty { Vec::new() } else { lines }
}

/// `/dev/sda2 (465.3G ntfs "Windows", partition "Basic data")`.
fn line(device: &Device) -> String {
    let label = device.label.as_ref().map(|label| format!("\"{label}\""));
    let trimmed = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_owned());
    let words = [
        device.size.clone(),
        trimmed(&device.model),
        trimmed(&device.serial),
        device.fstype.clone(),
        label,
    ];
    let words: Vec<String> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
    let partition = device.partlabel.as_ref().map(|name| format!(", partition \"{name}\""));
    format!("{} ({}{})", device.path, words.join(" "), partition.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_shown_with_all_that_is_on_it() {
        // util-linux 2.41.
        let json = r#"{"blockdevices": [{"path": "/dev/sda", "size": "465.8G", "model": "Disk 1 ", "serial": "S64", "fstype": null, "label": null, "children": [
            {"path": "/dev/sda1", "size": "512M", "model": null, "fstype": "vfat", "label": null, "partlabel": "EFI"},
            {"path": "/dev/sda2", "size": "465.3G", "model": null, "fstype": "crypto_LUKS", "label": null, "children": [
                {"path": "/dev/mapper/home", "size": "465.2G", "model": null, "fstype": "ext4", "label": "my home"}]}]}]}"#;
        let expected = [
            "/dev/sda (465.8G Disk 1 S64)",
            "/dev/sda1 (512M vfat, partition \"EFI\")",
            "/dev/sda2 (465.3G crypto_LUKS)",
            "/dev/mapper/home (465.2G ext4 \"my home\")",
        ];
        assert_eq!(listed(json), expected);
        let empty =
            r#"{"blockdevices": [{"path": "/dev/sdb", "size": "1T", "model": "Disk", "fstype": null, "label": null}]}"#;
        assert_eq!(listed(empty), Vec::<String>::new());
        assert_eq!(listed("lsblk: unknown column"), Vec::<String>::new());
    }

    #[test]
    fn the_members_of_pools_are_read() {
        // util-linux 2.41.
        let json = r#"{"blockdevices": [
            {"path": "/dev/sda", "fstype": null, "label": null}, {"path": "/dev/sda1", "fstype": "vfat", "label": "tank"},
            {"path": "/dev/sda2", "fstype": "zfs_member", "label": "tank"}]}"#;
        assert_eq!(members_of_pools(json), [("tank".to_owned(), "/dev/sda2".into())]);
    }
}
