//! What a case is, and how the tables write it.

use std::fs;
use std::path::Path;

/// A configuration, and what is to be found in it.
pub struct Case {
    pub name: &'static str,
    /// Which example tree it is made from.
    pub base: &'static str,
    pub change: Box<dyn Fn(&Path)>,
    pub args: &'static str,
    /// Shell commands that change the machine.
    pub machine: &'static str,
    /// What the installer is started with.
    pub wrapper: &'static str,
    /// Severity, code and place of each problem, in this order.
    pub expected: Vec<&'static str>,
}

pub fn case(
    name: &'static str,
    base: &'static str,
    change: impl Fn(&Path) + 'static,
    expected: &[&'static str],
) -> Case {
    let args = if base == "flake" { "--host alpha" } else { "" };
    Case {
        name,
        base,
        change: Box::new(change),
        args,
        machine: "",
        wrapper: "",
        expected: expected.to_vec(),
    }
}

/// A change of the channel example.
pub fn channel(name: &'static str, change: fn(&Path), expected: &[&'static str]) -> Case {
    case(name, "channel", change, expected)
}

/// A change of the flake example.
pub fn flake(name: &'static str, change: fn(&Path), expected: &[&'static str]) -> Case {
    case(name, "flake", change, expected)
}

impl Case {
    pub fn args(self, args: &'static str) -> Self {
        Self { args, ..self }
    }

    /// Root, but without the privilege to read everything: as on a network file system.
    pub fn without_privileges(self) -> Self {
        Self {
            wrapper: "setpriv --bounding-set=-dac_override,-dac_read_search",
            ..self
        }
    }

    pub fn on(self, machine: &'static str) -> Self {
        Self { machine, ..self }
    }
}

pub fn write(tree: &Path, name: &str, text: &str) {
    let path = tree.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn edit(tree: &Path, name: &str, old: &str, new: &str) {
    let text = fs::read_to_string(tree.join(name)).unwrap();
    assert!(text.contains(old), "{name} has no {old}");
    fs::write(tree.join(name), text.replace(old, new)).unwrap();
}

/// The channel example with one more module.
pub fn module(name: &'static str, text: &'static str, expected: &[&'static str]) -> Case {
    case(name, "channel", move |tree| add_module(tree, text), expected)
}

pub fn add_module(tree: &Path, text: &str) {
    write(tree, "modules/more.nix", text);
    edit(
        tree,
        "configuration.nix",
        "./modules/greeter.nix",
        "./modules/greeter.nix\n    ./modules/more.nix",
    );
}

/// A machine that was started by a BIOS.
pub const BIOS: &str = "mount -t tmpfs none /sys/firmware";

/// By a BIOS, from a disk that is there: this rig has no file system for an EFI system partition.
pub const BIOS_WITH_DISK: &str = "mount -t tmpfs none /sys/firmware; touch /dev/disk-0";

/// A hardware-configuration.nix that was generated before the EFI system partition was mounted.
pub const DISK_WITHOUT_ESP: &str = "umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; \
    rm /mnt/etc/nixos/configuration.nix; sed -i \"/fileSystems.*boot/,/};/d\" /mnt/etc/nixos/hardware-configuration.nix";

/// A private key of OpenSSH.
pub const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n-----END OPENSSH PRIVATE KEY-----\n";
