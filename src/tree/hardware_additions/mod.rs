//! What a person added to a hardware-configuration.nix: it is lost where the file is replaced by the one of another machine.

use std::path::Path;

use super::attributes::{Attribute, attributes};
use super::hardware::importer;
use super::import_line::{self, Import};
use super::syntax::{NixFile, Shape};
use crate::diagnostic::{Diagnostic, HardwareProblem};

/// One setting that nixos-generate-config does not write.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Addition {
    /// The option; of a list, also the item.
    what: String,
    /// Whether it is an item of `swapDevices`.
    is_swap: bool,
    /// Its value, as it is written.
    value: String,
    line: u32,
}

/// The warning that `file` of the tree at `root`, whose text was `old`, has settings that are lost: it is replaced by a file with
/// the text `new`, as far as that is known.
pub(crate) fn lost(root: &Path, file: &Path, old: &str, new: Option<&str>) -> Option<Diagnostic> {
    let kept = new.map(additions).unwrap_or_default();
    let swaps = new.is_some_and(has_swap);
    let is_kept = |one: &Addition| {
        let same = |kept: &Addition| (&kept.what, &kept.value) == (&one.what, &one.value);
        kept.iter().any(same) || swaps && one.is_swap && swap_device(&one.value).is_some()
    };
    let lost: Vec<Addition> = additions(old).into_iter().filter(|one| !is_kept(one)).collect();
    let line = lost.first()?.line;
    let problem = HardwareProblem::AdditionsLost {
        file: file.to_owned(),
        settings: lost.into_iter().map(|one| (one.line, one.what)).collect(),
        importer: importer(root, file),
    };
    Some(Diagnostic::from(problem).at(file, Some(line), None))
}

/// The settings in `text` that nixos-generate-config (16.09 to 26.11) does not write, in the order of their lines.
fn additions(text: &str) -> Vec<Addition> {
    let Some(all) = attributes(text) else {
        // A file that is not valid Nix is reported elsewhere.
        let is_nix = NixFile::parse(text).mistake().is_none();
        let whole = Addition {
            what: "all of it: it is not in the form that nixos-generate-config writes".to_owned(),
            is_swap: false,
            value: on_one_line(text),
            line: 1,
        };
        return if is_nix { vec![whole] } else { Vec::new() };
    };
    let not_on_disks = mounts_of_no_disk(text, &all);
    let mut found: Vec<Addition> = Vec::new();
    for one in &all {
        let path: Vec<&str> = one.path.iter().map(String::as_str).collect();
        let value = on_one_line(&text[one.value.range.clone()]);
        let added = |item: &String| match path.as_slice() {
            ["imports"] => !is_generated_import(item, text),
            ["boot", "kernelModules"] => !["\"kvm-intel\"", "\"kvm-amd\"", "\"wl\""].contains(&item.as_str()),
            ["boot", "initrd", "kernelModules"] => item != "\"dm-snapshot\"",
            ["boot", "extraModulePackages"] => item != "config.boot.kernelPackages.broadcom_sta",
            ["swapDevices"] => !is_partition(item),
            _ => !is_generated_option(item),
        };
        let mut add = |what: String, value: &str| {
            found.push(Addition {
                what,
                is_swap: path == ["swapDevices"],
                value: value.to_owned(),
                line: one.line,
            });
        };
        match path.as_slice() {
            ["fileSystems", at, ..] if not_on_disks.contains(at) => {
                let what = name(&one.path[..2]);
                if found.iter().all(|known| known.what != what) {
                    found.push(Addition {
                        what,
                        is_swap: false,
                        value,
                        line: one.line,
                    });
                }
            }
            ["imports" | "swapDevices"]
            | ["boot", "kernelModules" | "extraModulePackages"]
            | ["boot", "initrd", "kernelModules"]
            | ["fileSystems", _, "options"] => {
                for item in items(text, one).iter().filter(|item| added(item)) {
                    add(format!("{}: {item}", name(&one.path)), item);
                }
            }
            path if is_generated(path, &value) => {}
            _ => add(name(&one.path), &value),
        }
    }
    found
}

/// With single spaces, and without the `lib.` of a function.
fn on_one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.strip_prefix("lib.").map(str::to_owned).unwrap_or(text)
}

/// An option as a person writes it.
fn name(path: &[String]) -> String {
    let part = |part: &String| {
        let plain = part
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_-'".contains(letter));
        if plain { part.clone() } else { format!("\"{part}\"") }
    };
    path.iter().map(part).collect::<Vec<_>>().join(".")
}

/// The items of a list, or the whole value if it is not a list.
fn items(text: &str, one: &Attribute) -> Vec<String> {
    let values = match &one.value.shape {
        Shape::List(items) => items.iter().collect(),
        _ => vec![&one.value],
    };
    values
        .iter()
        .map(|value| on_one_line(&text[value.range.clone()]))
        .collect()
}

/// The modules that nixos-generate-config imports, and the files that this installer adds.
fn is_generated_import(item: &str, text: &str) -> bool {
    let modules = [
        "/installer/scan/not-detected.nix",
        "/profiles/qemu-guest.nix",
        "/hardware/network/broadcom-43xx.nix",
    ];
    let of_nixos = item.contains("modulesPath") || item.contains("<nixpkgs/nixos/modules");
    let added = [Import::Machine, Import::Choices].map(|import| import_line::added(text, import));
    let is_added = added.into_iter().flatten().any(|name| item == format!("./{name}"));
    is_added || of_nixos && modules.iter().any(|module| item.contains(module))
}

/// A swap partition by a name that nixos-generate-config writes, without anything else.
fn is_partition(item: &str) -> bool {
    let device = swap_device(item);
    let by_hand = |name: &str| {
        name.strip_prefix("disk/")
            .is_some_and(|name| !name.starts_with("by-uuid/"))
    };
    device.is_some_and(|name| !by_hand(name))
}

/// The name below /dev of a swap partition without anything else.
fn swap_device(item: &str) -> Option<&str> {
    let inside = item.trim_start_matches(['{', ' ']).trim_end_matches(['}', ' ']);
    let value = inside.strip_prefix("device = \"/dev/")?.strip_suffix("\";")?;
    (!value.contains('"')).then_some(value)
}

/// Whether `text` has swap: then a partition that is not in it by the same name may be that one.
fn has_swap(text: &str) -> bool {
    let all = attributes(text).unwrap_or_default();
    all.iter()
        .any(|one| one.path == ["swapDevices"] && !items(text, one).is_empty())
}

fn is_generated_option(item: &str) -> bool {
    let item = item.trim_matches('"');
    ["subvol=", "fmask=", "dmask="]
        .iter()
        .any(|begin| item.starts_with(begin))
        || ["bind", "loop", "x-initrd.mount"].contains(&item)
}

/// File systems that nixos-generate-config finds on disks.
const OF_DISKS: [&str; 23] = [
    "apfs", "auto", "bcachefs", "btrfs", "ecryptfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660",
    "jfs", "msdos", "none", "ntfs", "ntfs3", "reiserfs", "squashfs", "udf", "vfat", "xfs", "zfs",
];

/// The mount points with a type that no disk has: memory, the network.
fn mounts_of_no_disk<'a>(text: &str, all: &'a [Attribute]) -> Vec<&'a str> {
    let mounts = all.iter().filter_map(|one| match one.path.as_slice() {
        [systems, at, kind] if systems == "fileSystems" && kind == "fsType" => {
            // The string, below a `lib.mkDefault` as well.
            let kind = text[one.value.range.clone()].split('"').nth(1)?;
            (!OF_DISKS.contains(&kind)).then_some(at.as_str())
        }
        _ => None,
    });
    mounts.collect()
}

/// What nixos-generate-config writes besides, with the values that it gives.
fn is_generated(path: &[&str], value: &str) -> bool {
    let default = value.starts_with("mkDefault ");
    match path {
        ["boot", "initrd", "availableKernelModules"]
        | ["fileSystems", _, "device" | "fsType" | "label"]
        | ["fileSystems", _, "stratis", "poolUuid"]
        | ["boot", "initrd", "luks", "devices", _, "device"]
        | ["nixpkgs", "hostPlatform" | "system"] => true,
        ["networking", "useDHCP"] | ["networking", "interfaces", _, "useDHCP"] => {
            ["true", "mkDefault true"].contains(&value)
        }
        ["powerManagement", "cpuFreqGovernor"]
        | ["hardware", "cpu", "amd" | "intel", "updateMicrocode"]
        | ["hardware", "video", "hidpi", "enable"]
        | ["nix", "maxJobs"]
        | ["nix", "settings", "max-jobs"] => default,
        ["hardware", "cpu", "intel", "npu", "enable"]
        | ["hardware", "parallels", "enable"]
        | ["networking", "enableIntel2200BGFirmware" | "enableIntel3945ABGFirmware"]
        | ["virtualisation", "virtualbox", "guest", "enable"]
        | ["virtualisation", "hypervGuest", "enable"]
        | ["boot", "isContainer" | "isNspawnContainer"]
        | ["boot", "swraid", "enable"] => value == "true",
        ["nixpkgs", "config", "allowUnfreePackages" | "allowUnfreePredicate"] => value.contains("[ \"prl-tools\" ]"),
        _ => false,
    }
}

#[cfg(test)]
mod hardware_additions_tests;
