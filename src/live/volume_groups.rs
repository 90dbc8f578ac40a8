//! The volume groups of LVM on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::block_devices::{lies_on, number};
use crate::process::{Invocation, Runner};

/// The devices and names of the groups. None where LVM is not. A device that is not there is called `[unknown]`.
pub fn read(runner: &Runner) -> Vec<(PathBuf, String)> {
    let ask = Invocation::new("pvs").args(["--reportformat", "json", "--options", "pv_name,vg_name"]);
    let said = runner.output(&ask.quiet()).ok();
    let groups: Option<Groups> = said.and_then(|said| serde_json::from_str(&said).ok());
    groups.map(Groups::members).unwrap_or_default()
}

/// What `pvs` prints as JSON (LVM 2.03).
#[derive(Deserialize)]
struct Groups {
    report: Vec<GroupReport>,
}

#[derive(Deserialize)]
struct GroupReport {
    pv: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    pv_name: PathBuf,
    /// Empty: it is in no group.
    vg_name: String,
}

impl Groups {
    fn members(self) -> Vec<(PathBuf, String)> {
        let members = self.report.into_iter().flat_map(|report| report.pv);
        let members = members.filter(|member| !member.vg_name.is_empty());
        members.map(|member| (member.pv_name, member.vg_name)).collect()
    }
}

/// Of the `groups`, those that have a device which is on the disks `erased` and one which is not, with the devices that are not.
pub fn shared(sys: &Path, groups: &[(PathBuf, String)], erased: &BTreeSet<String>) -> BTreeMap<String, Vec<PathBuf>> {
    shared_by(groups, &|device| {
        number(device).is_some_and(|number| lies_on(sys, &number, erased))
    })
}

fn shared_by(groups: &[(PathBuf, String)], is_erased: &dyn Fn(&Path) -> bool) -> BTreeMap<String, Vec<PathBuf>> {
    let (erased, kept): (Vec<_>, Vec<_>) = groups.iter().partition(|(device, _)| is_erased(device));
    let mut shared: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (device, group) in kept {
        if erased.iter().any(|(_, lost)| lost == group) {
            shared.entry(group.clone()).or_default().push(device.clone());
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_groups_are_read() {
        // LVM 2.03.16.
        let text = r#"{"report": [{"pv": [
            {"pv_name":"/dev/sda2", "vg_name":"pool"}, {"pv_name":"/dev/sdb", "vg_name":""}]}]}"#;
        let groups: Groups = serde_json::from_str(text).unwrap();
        assert_eq!(groups.members(), [(PathBuf::from("/dev/sda2"), "pool".to_owned())]);
    }

    #[test]
    fn a_group_on_a_disk_that_is_erased_and_on_another_is_shared() {
        let groups = [
            ("/dev/sda2", "pool"),
            ("/dev/sdb1", "pool"),
            ("/dev/sda3", "own"),
            ("/dev/sdc1", "other"),
            ("/dev/sda4", "incomplete"),
            ("[unknown]", "incomplete"),
        ];
        let groups = groups.map(|(device, group)| (PathBuf::from(device), group.to_owned()));
        let shared = shared_by(&groups, &|device| device.to_string_lossy().starts_with("/dev/sda"));
        let expected = [("incomplete", "[unknown]"), ("pool", "/dev/sdb1")];
        assert_eq!(
            shared,
            BTreeMap::from(expected.map(|(group, device)| (group.to_owned(), vec![PathBuf::from(device)])))
        );
    }
}
