//! A configuration.nix that says where the installer writes what was chosen and what a machine is ([`in_place`]).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::collector::Found;
use super::left_open::{self, Asked};
use super::request::{LiveSystem, Request};
use crate::live::block_devices::{SYS, only_disk};
use crate::live::decisions::Firmware;
use crate::live::in_place;
use crate::live::installer_facts::{ANY_DISK, BY_ID, InstallerFacts};
use crate::live::mounts;
use crate::live::placement::Placement;
use crate::nix::eval::Configuration;
use crate::tree::source::{CONFIGURATION_NIX, ConfigKind};

/// Its text in the tree at `root`, where it has such a part.
fn text(root: &Path, kind: ConfigKind, part: &str) -> Option<String> {
    let text = fs::read_to_string(root.join(CONFIGURATION_NIX)).ok()?;
    (kind == ConfigKind::Channel && text.contains(part)).then_some(text)
}

fn write(root: &Path, text: &str) -> Result<()> {
    let file = root.join(CONFIGURATION_NIX);
    left_open::rewrite(&file, text).with_context(|| format!("Failed to complete {}", file.display()))
}

/// Writes what is known of the machine into the snapshot at `root`, where its configuration.nix has the part for it; with an update, what
/// the installation knew. Returns what is still to be put beside the hardware configuration, and what was written.
pub(super) fn put_machine(
    request: &Request,
    machine: &InstallerFacts,
    (root, kind): (&Path, ConfigKind),
) -> Result<(InstallerFacts, Option<InstallerFacts>)> {
    let Some(text) = text(root, kind, in_place::BOOT) else {
        return Ok((machine.clone(), None));
    };
    let known = request
        .update
        .as_ref()
        .and_then(|update| update.receipt.machine.clone());
    let machine = known.unwrap_or_else(|| with_boot_disk(request, machine.clone()));
    write(root, &in_place::with_machine(&text, &machine))?;
    let beside = InstallerFacts {
        before_partitioning: machine.before_partitioning,
        layout_sets_file_systems: machine.layout_sets_file_systems,
        disks: machine.disks.clone(),
        ..InstallerFacts::default()
    };
    Ok((beside, Some(machine)))
}

/// The machine with the disk that GRUB belongs on, where it starts from a BIOS and a person has partitioned it: the one with /boot.
/// On several disks, that is for the person to decide, and the check reports the boot loader.
fn with_boot_disk(request: &Request, machine: InstallerFacts) -> InstallerFacts {
    let is_bios = request.decisions.firmware == Firmware::Bios;
    if !is_bios || machine.no_boot_loader || machine.grub_device.is_some() {
        return machine;
    }
    if machine.before_partitioning {
        return InstallerFacts {
            grub_device: Some(ANY_DISK.to_owned()),
            ..machine
        };
    }
    let root = request.target.root();
    let mounted = |place: &Path| mounts::at(place);
    let disk = mounted(&root.join("boot"))
        .or_else(|| mounted(root))
        .and_then(|mount| only_disk(Path::new(SYS), &mount));
    InstallerFacts {
        btrfs_root: mounted(root).is_some_and(|mount| mount.kind == "btrfs"),
        grub_device: disk.map(|disk| disk.display().to_string()),
        ..machine
    }
    .with_lasting_names(Path::new(BY_ID))
}

/// Writes what was answered into the snapshot, where its configuration.nix has the part for it; an earlier run's where nothing was
/// answered for this one. Otherwise as [`left_open::put`] does.
pub(super) fn put_choices(
    (request, live): (&Request, &LiveSystem<'_>),
    machine: &InstallerFacts,
    tree: (&Configuration, &Path, &[PathBuf]),
    found: &mut Found<'_>,
) -> Result<Asked> {
    let (configuration, ..) = tree;
    let root = &configuration.root;
    let Some(text) = text(root, configuration.kind, in_place::CHOICES) else {
        return left_open::put((request, live), machine, tree, found);
    };
    // With an update, the same is written into the file of this ISO, which can have changed around it.
    let is_known = request
        .update
        .as_ref()
        .is_some_and(|update| update.receipt.machine.is_some());
    if !request.answered_now
        && !machine.before_partitioning
        && !is_known
        && let Some(earlier) = earlier(request, &text)?
    {
        write(root, &earlier)?;
        return left_open::kept(request);
    }
    let answers = in_place::with_keymap(&request.answers, machine, &request.lists);
    let (asked, open) = left_open::compare((request, live), configuration, &answers, found)?;
    write(root, &in_place::with_choices(&text, &asked.choices, &open))?;
    Ok(asked)
}

/// The file that an earlier run completed on the target, if it was made from the same `text`.
fn earlier(request: &Request, text: &str) -> Result<Option<String>> {
    if Placement::load(&request.target)?.is_none() {
        return Ok(None);
    }
    let earlier = fs::read_to_string(request.target.etc_nixos().join(CONFIGURATION_NIX)).unwrap_or_default();
    let is_same = text
        .split_once(in_place::CHOICES)
        .is_some_and(|(_, rest)| earlier.ends_with(rest));
    Ok((is_same && !earlier.contains(in_place::CHOICES)).then_some(earlier))
}
