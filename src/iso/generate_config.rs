//! What a nixos-generate-config can write into a hardware-configuration.nix: read from its Perl source, and the types of file
//! systems from the modules of its nixpkgs.
//!
//! Every string of the script that looks like Nix counts, whether or not it is reached: a newer script that writes more
//! must not pass unseen. The part that writes configuration.nix does not count.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::tree::feature::{Feature, FeatureKind};

/// Attributes of a file system or a device, which are covered with it.
const OF_A_DEVICE: [&str; 4] = ["device", "fsType", "options", "stratis.poolUuid"];
/// Options of `configuration.nix`, written by a function that is among those for the hardware.
const OF_CONFIGURATION: [&str; 2] = ["services.xserver.enable", "services.xserver.videoDrivers"];
/// Where the writing of configuration.nix begins.
const END: &str = "\nif ($showHardwareConfig) {";

#[allow(clippy::unwrap_used)] // Patterns that are constant; the tests compile them.
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

static STRING: LazyLock<Regex> = LazyLock::new(|| pattern(r#""((?:[^"\\]|\\.)*)""#));
static HEREDOC: LazyLock<Regex> = LazyLock::new(|| pattern(r#"<<"?EOF"?[^\n]*\n((?s:.*?))\nEOF\n"#));
static ATTRIBUTE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?m)^[\s{]*([A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)*)(?:\."|\s+=(?:[^=~]|$))"#));
static IMPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r#"modulesPath \+ "([^"]+)""#));
static PACKAGE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(config\.boot\.kernelPackages|pkgs)(?:\.[A-Za-z][\w-]*)+"));

/// A file in nixpkgs' nixos/modules/tasks/filesystems names the types of file systems that it is for in these forms.
static SUPPORTED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"upportedFilesystems\.(?:"([^"]+)"|([A-Za-z0-9_-]+))"#));
static TYPE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\bfsType\s*==?\s*"([^"]+)""#));

/// What a nixos-generate-config can write.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareFeatures {
    /// All of it, file systems by their types.
    pub features: Vec<Feature>,
    /// Why the script could not be read; `features` are file systems alone then.
    pub unreadable: Option<String>,
}

impl HardwareFeatures {
    /// Of the script, where there is one, and of the directory with nixpkgs' modules for file systems.
    ///
    /// # Errors
    /// When a file cannot be read. A script of an unknown shape is no error: an image can be made all the same.
    pub fn read(script: Option<&Path>, filesystems: &Path) -> Result<Self> {
        let script = match script {
            Some(path) => {
                features(&fs::read_to_string(path).with_context(|| format!("Failed to read {}", path.display()))?)
            }
            None => Err(anyhow::anyhow!("it is in none of the known places")),
        };
        let (mut features, unreadable) = match script {
            Ok(features) => (features, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        let types = types(filesystems).with_context(|| format!("Failed to read {}", filesystems.display()))?;
        features.extend(types.into_iter().map(|name| Feature {
            kind: FeatureKind::Filesystem,
            name,
        }));
        Ok(Self { features, unreadable })
    }
}

/// The types of file systems that the modules in `directory` are for.
fn types(directory: &Path) -> Result<BTreeSet<String>> {
    let mut types = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if let (Some(name), Some("nix")) = (
            path.file_stem().and_then(|name| name.to_str()),
            path.extension().and_then(|extension| extension.to_str()),
        ) {
            types.extend(types_of(name, &fs::read_to_string(&path)?));
        }
    }
    Ok(types)
}

/// The types that the module `name`.nix is for. The name is not always one: bindfs.nix is for `fuse.bindfs`.
fn types_of(name: &str, module: &str) -> BTreeSet<String> {
    let find = |pattern: &Regex| -> BTreeSet<String> {
        pattern
            .captures_iter(module)
            .filter_map(|found| found.get(1).or_else(|| found.get(2)))
            .map(|found| found.as_str().to_owned())
            .filter(|found| found != "none")
            .collect()
    };
    let of = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    // It asks for these by a function (since NixOS 23.11).
    if name == "ext" {
        return of(&["ext2", "ext3", "ext4"]);
    }
    [find(&SUPPORTED), find(&TYPE)]
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_else(|| of(&[name]))
}

/// Reads the script.
///
/// # Errors
/// When it does not have the parts that all scripts since NixOS 20.03 have: it would be read wrongly.
fn features(script: &str) -> Result<Vec<Feature>> {
    let unknown = "it is not built as the known ones are";
    let Some(end) = script.find(END) else {
        anyhow::bail!("{unknown}: it has no `{}`", END.trim())
    };
    let script = &script[..end];
    let mut found = BTreeSet::new();
    let rest = HEREDOC.replace_all(script, |heredoc: &regex_lite::Captures<'_>| {
        read(&heredoc[1].replace("\\\"", "\""), &mut found);
        ";\n"
    });
    // Comments may hold an odd quotation mark.
    let code: Vec<&str> = rest
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    for string in STRING.captures_iter(&code.join("\n")) {
        read(&string[1].replace("\\\"", "\""), &mut found);
    }
    for name in [
        "imports",
        "boot.initrd.availableKernelModules",
        "fileSystems",
        "swapDevices",
    ] {
        let part = Feature {
            kind: FeatureKind::Attribute,
            name: name.to_owned(),
        };
        ensure!(found.contains(&part), "{unknown}: it does not write `{name}`");
    }
    Ok(found.into_iter().collect())
}

/// What looks like Nix in `text`.
fn read(text: &str, found: &mut BTreeSet<Feature>) {
    let mut add = |kind, name: &str| {
        found.insert(Feature {
            kind,
            name: name.to_owned(),
        });
    };
    for attribute in ATTRIBUTE.captures_iter(text) {
        if !OF_A_DEVICE.contains(&&attribute[1]) && !OF_CONFIGURATION.contains(&&attribute[1]) {
            add(FeatureKind::Attribute, &attribute[1]);
        }
    }
    for import in IMPORT.captures_iter(text) {
        add(FeatureKind::Import, &import[1]);
    }
    for package in PACKAGE.find_iter(text) {
        add(FeatureKind::Package, package.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of the script, with one of each thing that it does.
    const SCRIPT: &str = r#"#! @perl@
# It's "odd
push @attrs, "nixpkgs.hostPlatform = lib.mkDefault \"@hostPlatformSystem@\";";
push @kernelModules, "kvm-intel" if hasCPUFeature "vmx";
push @modulePackages, "config.boot.kernelPackages.broadcom_sta";
push @imports, "(modulesPath + \"/profiles/qemu-guest.nix\")";
push @attrs, "networking.enableIntel2200BGFirmware = true;" if
    $vendor eq "0x8086";
push @attrs, "hardware.firmware = [ pkgs.intel-npu-driver.firmware ];";
if ($path =~ /x/ && $status == 0) { die "a == b"; }
$fileSystems .= <<EOF;
  fileSystems.\"$mountPoint\" =
    { device = \"$base$path\";
      fsType = \"none\";
      options = \[ \"bind\" \];
    };

EOF
$fileSystems .= <<EOF;
      stratis.poolUuid = "$stratisPool";
EOF
my $luksDevice = "  boot.initrd.luks.devices.\"$dmName\".device";
$fileSystems .= "$luksDevice = \"x\";\n\n";
push @extraOptions, "subvol=$paths[0]";
$fsAndSwap .= "swapDevices =" . multiLineList("    ", @swapDevices) . ";\n";
my $hwConfig = <<EOF;
# Do not modify this file!
{ config, lib, pkgs, modulesPath, ... }:

{
  imports =${\multiLineList("    ", @imports)};

  boot.initrd.availableKernelModules = [$initrdAvailableKernelModules ];
}
EOF
sub generateXserverConfig {
        $config = <<EOF;
  # Enable the X11 windowing system.
  services.xserver.enable = true;
EOF
}

if ($showHardwareConfig) {
    $bootLoaderConfig = <<EOF;
  boot.loader.systemd-boot.enable = true;
EOF
}
"#;

    #[test]
    fn everything_that_the_script_can_write_is_found_and_nothing_else() {
        let names: Vec<String> = features(SCRIPT).unwrap().into_iter().map(|one| one.name).collect();
        let expected = [
            "boot.initrd.availableKernelModules",
            "boot.initrd.luks.devices",
            "fileSystems",
            "hardware.firmware",
            "imports",
            "networking.enableIntel2200BGFirmware",
            "nixpkgs.hostPlatform",
            "swapDevices",
            "/profiles/qemu-guest.nix",
            "config.boot.kernelPackages.broadcom_sta",
            "pkgs.intel-npu-driver.firmware",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_script_of_another_shape_is_refused_and_not_read_as_one_that_writes_nothing() {
        features("print 'nothing';").unwrap_err();
        let without = SCRIPT.replace("swapDevices", "swaps");
        assert!(features(&without).unwrap_err().to_string().contains("`swapDevices`"));
    }

    #[test]
    fn the_type_of_a_file_system_is_what_its_module_asks_for_and_not_the_name_of_the_file() {
        let of = |name, module| types_of(name, module).into_iter().collect::<Vec<_>>();
        let bindfs = "lib.mkIf (config.boot.supportedFilesystems.\"fuse.bindfs\" or false) { }";
        assert_eq!(of("bindfs", bindfs), ["fuse.bindfs"]);
        let sshfs =
            "(config.boot.supportedFilesystems.sshfs\n  or config.boot.supportedFilesystems.\"fuse.sshfs\" or false)";
        assert_eq!(of("sshfs", sshfs), ["fuse.sshfs", "sshfs"]);
        let initrd = "inInitrd = config.boot.initrd.supportedFilesystems.f2fs or false;";
        assert_eq!(of("f2fs", initrd), ["f2fs"]);
        assert_eq!(of("overlayfs", "config = { fsType = \"overlay\"; };"), ["overlay"]);
        let bcachefs = "supportedFilesystems.bcachefs or (fs.fsType == \"other\")";
        assert_eq!(of("bcachefs", bcachefs), ["bcachefs"]);
        assert_eq!(of("envfs", "{ fsType = \"envfs\"; } { fsType = \"none\"; }"), ["envfs"]);
        assert_eq!(of("xfs", "elem \"xfs\" supportedFilesystems"), ["xfs"]);
        assert_eq!(of("ext", "s.ext2 or s.ext3"), ["ext2", "ext3", "ext4"]);
    }

    #[test]
    fn a_script_that_cannot_be_read_hides_no_file_system_and_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let script = directory.path().join("nixos-generate-config.pl");
        let read = |script: Option<&Path>| HardwareFeatures::read(script, directory.path()).unwrap();
        write("zfs.nix", "supportedFilesystems.zfs");
        write("nixos-generate-config.pl", SCRIPT);
        let known = read(Some(&script));
        assert_eq!((known.features.len(), known.unreadable), (12, None));
        write("nixos-generate-config.pl", "print 'nothing';");
        for (script, why) in [
            (Some(script.as_path()), "not built as"),
            (None, "none of the known places"),
        ] {
            let unknown = read(script);
            assert_eq!(unknown.features.len(), 1);
            assert_eq!(unknown.features[0].name, "zfs");
            assert!(unknown.unreadable.unwrap().contains(why));
        }
    }
}
