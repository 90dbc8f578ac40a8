//! What a nixos-generate-config can write into a hardware-configuration.nix, read from its Perl source.
//!
//! Every string of the script that looks like Nix counts, whether or not it is reached: a newer script that writes more
//! must not pass unseen. The part that writes configuration.nix does not count.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use anyhow::{Result, ensure};
use regex_lite::Regex;

use crate::tree::feature::{Feature, Kind};

/// Attributes of a file system or a device, which are covered with it.
const OF_A_DEVICE: [&str; 4] = ["device", "fsType", "options", "stratis.poolUuid"];
/// Written to configuration.nix, by a function that stands among those for the hardware.
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

/// Reads the script.
///
/// # Errors
/// When it does not have the parts that all scripts since NixOS 20.03 have: it would be read wrongly.
pub fn emitted(script: &str) -> Result<Vec<Feature>> {
    let unknown = "This nixos-generate-config is not built as the known ones are; what it can write cannot be told";
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
            kind: Kind::Attribute,
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
            add(Kind::Attribute, &attribute[1]);
        }
    }
    for import in IMPORT.captures_iter(text) {
        add(Kind::Import, &import[1]);
    }
    for package in PACKAGE.find_iter(text) {
        add(Kind::Package, package.as_str());
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
        let names: Vec<String> = emitted(SCRIPT).unwrap().into_iter().map(|one| one.name).collect();
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
        emitted("print 'nothing';").unwrap_err();
        let without = SCRIPT.replace("swapDevices", "swaps");
        assert!(emitted(&without).unwrap_err().to_string().contains("`swapDevices`"));
    }
}
