//! What a person has written into a hardware-configuration.nix: it is lost where the file is replaced by the one of another
//! machine.

use std::path::Path;

use rnix::SyntaxKind;
use rnix::ast::{self, AstToken};

use super::attributes::{Attribute, attributes};
use super::hardware::importer;
use super::import_line;
use crate::diagnostic::Diagnostic;

/// One setting that nixos-generate-config does not write.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Addition {
    /// What it is called: the option, and of a list what is in it.
    what: String,
    /// Its value, as it is written.
    value: String,
    line: u32,
}

/// How many settings are named.
const SHOWN: usize = 12;

/// The problem of a hardware configuration `file` of the tree at `root`, whose text was `old`, that is replaced by one with
/// the text `new`, as far as that is known.
#[must_use]
pub fn problem(root: &Path, file: &Path, old: &str, new: Option<&str>) -> Option<Diagnostic> {
    let kept = new.map(additions).unwrap_or_default();
    let is_kept = |one: &Addition| {
        kept.iter()
            .any(|kept| (&kept.what, &kept.value) == (&one.what, &one.value))
    };
    let lost: Vec<Addition> = additions(old).into_iter().filter(|one| !is_kept(one)).collect();
    let first = lost.first()?;
    let mut lines: Vec<String> = lost
        .iter()
        .take(SHOWN)
        .map(|one| format!("line {}: {}", one.line, one.what))
        .collect();
    if lost.len() > SHOWN {
        lines.push(format!("and {} more", lost.len() - SHOWN));
    }
    let elsewhere = importer(root, file).map_or_else(
        || "a file that the configuration imports".to_owned(),
        |file| file.display().to_string(),
    );
    Some(
        Diagnostic::warning(
            "hardware-hardware_additions",
            format!("The installed system will not have what was added to {}", file.display()),
        )
        .at(file, Some(first.line), None)
        .because(format!(
            "The installer replaces this file by the one of the machine that it installs, and nixos-generate-config does not write these settings:\n{}",
            lines.join("\n")
        ))
        .remedy(format!("Move them to another file, such as {elsewhere}.")),
    )
}

/// The settings in `text` that nixos-generate-config (16.09 to 26.11) does not write, in the order of their lines.
fn additions(text: &str) -> Vec<Addition> {
    let Some(all) = attributes(text) else {
        // What is no Nix at all is told elsewhere.
        let is_nix = rnix::Root::parse(text).errors().is_empty();
        return if is_nix { vec![whole(text)] } else { Vec::new() };
    };
    let foreign = mounts_of_no_disk(&all);
    let mut found: Vec<Addition> = Vec::new();
    for one in &all {
        let path: Vec<&str> = one.path.iter().map(String::as_str).collect();
        let value = words(&one.value.text().to_string());
        let more: Vec<String> = match path.as_slice() {
            ["imports"] => list(one).filter(|item| !is_generated_import(item, text)).collect(),
            ["boot", "kernelModules"] => without(one, &["\"kvm-intel\"", "\"kvm-amd\"", "\"wl\""]),
            ["boot", "initrd", "kernelModules"] => without(one, &["\"dm-snapshot\""]),
            ["boot", "extraModulePackages"] => without(one, &["config.boot.kernelPackages.broadcom_sta"]),
            ["swapDevices"] => list(one).filter(|item| !is_partition(item)).collect(),
            ["fileSystems", at, ..] if foreign.contains(&(*at).to_owned()) => {
                let what = name(&one.path[..2]);
                if found.iter().all(|known| known.what != what) {
                    found.push(Addition {
                        what,
                        value,
                        line: one.line,
                    });
                }
                continue;
            }
            ["fileSystems", _, "options"] => list(one).filter(|item| !is_generated_option(item)).collect(),
            path if is_generated(path, &value) => continue,
            _ => {
                found.push(Addition {
                    what: name(&one.path),
                    value,
                    line: one.line,
                });
                continue;
            }
        };
        found.extend(more.into_iter().map(|item| Addition {
            what: format!("{}: {item}", name(&one.path)),
            value: item,
            line: one.line,
        }));
    }
    found
}

fn whole(text: &str) -> Addition {
    Addition {
        what: "all of it: it is not in the form that nixos-generate-config writes".to_owned(),
        value: words(text),
        line: 1,
    }
}

/// One line, and no `lib.` before its functions.
fn words(text: &str) -> String {
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

/// The items of a list, or the whole value where it is none.
fn list(one: &Attribute) -> impl Iterator<Item = String> {
    let is_list = one.value.kind() == SyntaxKind::NODE_LIST;
    let items: Vec<String> = if is_list {
        one.value
            .children()
            .map(|item| words(&item.text().to_string()))
            .collect()
    } else {
        vec![words(&one.value.text().to_string())]
    };
    items.into_iter()
}

fn without(one: &Attribute, generated: &[&str]) -> Vec<String> {
    list(one).filter(|item| !generated.contains(&item.as_str())).collect()
}

/// The modules that nixos-generate-config imports, and the file that this installer adds.
fn is_generated_import(item: &str, text: &str) -> bool {
    let modules = [
        "/installer/scan/not-detected.nix",
        "/profiles/qemu-guest.nix",
        "/hardware/network/broadcom-43xx.nix",
    ];
    let of_nixos = item.contains("modulesPath") || item.contains("<nixpkgs/nixos/modules");
    let added = import_line::added(text).is_some_and(|name| item == format!("./{name}"));
    added || of_nixos && modules.iter().any(|module| item.contains(module))
}

/// A swap partition without anything else.
fn is_partition(item: &str) -> bool {
    let inside = item.trim_start_matches(['{', ' ']).trim_end_matches(['}', ' ']);
    let value = inside
        .strip_prefix("device = \"/dev/")
        .and_then(|rest| rest.strip_suffix("\";"));
    value.is_some_and(|value| !value.contains('"'))
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
fn mounts_of_no_disk(all: &[Attribute]) -> Vec<String> {
    let kinds = all.iter().filter_map(|one| match one.path.as_slice() {
        [systems, at, kind] if systems == "fileSystems" && kind == "fsType" => Some((at, text_of(one)?)),
        _ => None,
    });
    kinds
        .filter(|(_, kind)| !OF_DISKS.contains(&kind.as_str()))
        .map(|(at, _)| at.clone())
        .collect()
}

/// The text of a string without interpolation.
fn text_of(one: &Attribute) -> Option<String> {
    let mut tokens = one
        .value
        .descendants_with_tokens()
        .filter_map(rnix::NodeOrToken::into_token);
    let content = tokens.find_map(ast::StrContent::cast)?;
    Some(content.syntax().text().to_owned())
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
