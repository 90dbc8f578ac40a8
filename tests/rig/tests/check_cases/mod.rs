//! The configurations that tests/check.rs looks at.

#![allow(clippy::too_many_lines, clippy::semicolon_if_nothing_returned)] // Tables.

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

const BIOS: &str = "mount -t tmpfs none /sys/firmware";

/// A hardware-configuration.nix that was generated before the EFI system partition was mounted.
const DISK_WITHOUT_ESP: &str = "umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; \
    rm /mnt/etc/nixos/configuration.nix; sed -i \"/fileSystems.*boot/,/};/d\" /mnt/etc/nixos/hardware-configuration.nix";

/// By a BIOS, from a disk that is there: this rig has no file system for an EFI system partition.
const BIOS_WITH_DISK: &str = "mount -t tmpfs none /sys/firmware; touch /dev/disk-0";

/// It is mounted by now. (No disk of the rig has a partition.)
const DISK_WITH_LATER_ESP: &str = "umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; \
    rm /mnt/etc/nixos/configuration.nix; sed -i \"/fileSystems.*boot/,/};/d\" /mnt/etc/nixos/hardware-configuration.nix; \
    mkdir -p /mnt/boot; mount -t tmpfs ESP /mnt/boot";

/// The target lies on a mapping of dm-crypt, and the keymap here is another.
const ENCRYPTED: &str = "mount -t tmpfs none /etc/default; echo KEYMAP=us > /etc/default/vconsole; \
    touch /etc/vconsole.conf; mount --bind /etc/default/vconsole /etc/vconsole.conf; \
    d=/sys/dev/block/$(stat -c %Hd:%Ld /mnt)/dm; mount -t tmpfs none /sys/dev/block; mkdir -p $d; echo CRYPT-LUKS2-x > $d/uuid";

fn case(name: &'static str, base: &'static str, change: impl Fn(&Path) + 'static, expected: &[&'static str]) -> Case {
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

impl Case {
    fn args(self, args: &'static str) -> Self {
        Self { args, ..self }
    }

    /// Root, but without the privilege to read everything: as on a network file system.
    fn without_privileges(self) -> Self {
        Self {
            wrapper: "setpriv --bounding-set=-dac_override,-dac_read_search",
            ..self
        }
    }

    fn on(self, machine: &'static str) -> Self {
        Self { machine, ..self }
    }
}

fn write(tree: &Path, name: &str, text: &str) {
    let path = tree.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn edit(tree: &Path, name: &str, old: &str, new: &str) {
    let text = fs::read_to_string(tree.join(name)).unwrap();
    assert!(text.contains(old), "{name} has no {old}");
    fs::write(tree.join(name), text.replace(old, new)).unwrap();
}

/// The channel example with one more module.
fn module(name: &'static str, text: &'static str, expected: &[&'static str]) -> Case {
    case(name, "channel", move |tree| add_module(tree, text), expected)
}

fn add_module(tree: &Path, text: &str) {
    write(tree, "modules/more.nix", text);
    edit(
        tree,
        "configuration.nix",
        "./modules/greeter.nix",
        "./modules/greeter.nix\n    ./modules/more.nix",
    );
}

/// The flake's host alpha with the password file `file` and no other way in.
fn password_file(tree: &Path, file: &str) {
    write(tree, "hosts/alpha/pw", "$6$x");
    write(
        tree,
        "hosts/alpha/users.nix",
        &format!(
            "{{ lib, ... }}: {{ users.mutableUsers = false; users.users.ada = {{ initialHashedPassword = lib.mkForce null; hashedPasswordFile = {file}; }}; }}"
        ),
    );
    edit(
        tree,
        "hosts/alpha/default.nix",
        "./hardware-configuration.nix",
        "./hardware-configuration.nix ./users.nix",
    );
}

/// Configurations that would not install, boot, or let anybody in, and some that a person should know something of.
pub fn broken() -> Vec<Case> {
    let mut cases = modules();
    cases.extend(values());
    cases.extend(flakes());
    cases.extend(trees());
    cases
}

/// Those of them that are told by the words of Nix, which differ by version.
pub fn told_by_nix() -> Vec<Case> {
    let mut cases = modules();
    cases.extend(flakes());
    cases
}

fn modules() -> Vec<Case> {
    vec![
        module(
            "semicolon",
            "{\n  services.greeter.enable = true\n}\n",
            &["error syntax modules/more.nix:3:1"],
        ),
        module(
            "bracket",
            "{ networking.hostName = [ \"a\"; }",
            &["error syntax modules/more.nix:1:30"],
        ),
        module(
            "unclosed",
            "{\n  services.greeter = {\n    enable = true;\n}\n",
            &["error syntax modules/more.nix:4:2"],
        ),
        module(
            "value-absent",
            "{ networking.hostName = ; }",
            &["error syntax modules/more.nix:1:25"],
        ),
        module(
            "imports-absent",
            "{ imports = [ ./nowhere.nix ]; }",
            &["error import-missing modules/more.nix:1:15"],
        ),
        module(
            "imports-absent-in-let",
            "let x = ./y.nix; in { imports = [ x ]; }",
            &["error file-missing modules/more.nix:1:9"],
        ),
        module(
            "source-absent",
            "{ environment.etc.x.source = ./nowhere; }",
            &["error file-missing modules/more.nix:1:30"],
        ),
        module(
            "option-misspelt",
            "{ services.greeter.enabel = true; }",
            &["error option-missing modules/more.nix"],
        ),
        module(
            "option-conflict",
            "{ networking.hostName = \"other\"; }",
            &["error option-conflict configuration.nix"],
        ),
        module(
            "option-type",
            "{ services.cows.enable = \"yes\"; }",
            &["error option-type modules/more.nix"],
        ),
        module(
            "defined-twice",
            "{ time.timeZone = \"UTC\";\n  time.timeZone = \"UTC\"; }",
            &["error defined-twice modules/more.nix:2:3"],
        ),
        module(
            "name-undefined",
            "{ environment.systemPackages = [ htop ]; }",
            &["error undefined-variable modules/more.nix:1:34"],
        ),
        module(
            "package-misspelt",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htpo ]; }",
            &["error attribute-missing modules/more.nix:1:49"],
        ),
        module(
            "recursion",
            "{ config, ... }: { time.timeZone = config.time.timeZone; }",
            &["error recursion modules/more.nix:1:20"],
        ),
        module(
            "unfree",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.unfree-game ]; }",
            &[
                "error unfree modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "unfree-since-2611",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.unfree-editor ]; }",
            &[
                "error unfree modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "insecure",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.insecure-server ]; }",
            &[
                "error insecure modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "marked-as-broken",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.broken-compiler ]; }",
            &[
                "error broken modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "refused-packages-and-other-faults",
            "{ pkgs, ... }: {\n  environment.systemPackages = [\n    pkgs.insecure-browser\n    pkgs.insecure-server\n    \
             pkgs.broken-driver\n    pkgs.broken-toy\n    pkgs.other-platform\n  ];\n  \
             services.greeter.enabel = true;\n}",
            &[
                "error option-missing modules/more.nix",
                "error insecure modules/more.nix:3:10",
                "error insecure modules/more.nix:4:10",
                "error broken modules/more.nix:5:10",
                "error broken modules/more.nix:6:10",
                "error package-platform modules/more.nix:7:10",
                "error not-on-medium modules/more.nix:3:10",
                "error not-on-medium modules/more.nix:4:10",
                "error not-on-medium modules/more.nix:5:10",
                "error not-on-medium modules/more.nix:6:10",
                "error not-on-medium modules/more.nix:7:10",
            ],
        ),
        module(
            "package-missing",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htop ]; }",
            &["error not-on-medium modules/more.nix:1:54"],
        ),
        module(
            "packages-missing",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htop pkgs.broken ]; }",
            &[
                "error not-on-medium modules/more.nix:1:54",
                "error not-on-medium modules/more.nix:1:64",
            ],
        ),
        module(
            "user-package-missing",
            "{ pkgs, ... }: { users.users.alice.packages = [ pkgs.htop ]; }",
            &["error not-on-medium modules/more.nix:1:54"],
        ),
        module(
            "own-assertion",
            "{\n  assertions = [\n    {\n      assertion = false;\n      message = \"The moon must be full.\";\n    }\n  ];\n}",
            &["error assertion modules/more.nix:5"],
        ),
        module(
            "two-assertions",
            "{ assertions = [ { assertion = false; message = \"One.\"; } { assertion = false; message = \"Two.\"; } ]; }",
            &[
                "error assertion modules/more.nix:1",
                "error assertion modules/more.nix:1",
            ],
        ),
        module(
            "assertion-and-missing-package",
            "{ pkgs, ... }: { environment.systemPackages = [ pkgs.htop ]; assertions = [ { assertion = false; message = \"One.\"; } ]; }",
            &[
                "error assertion modules/more.nix:1",
                "error not-on-medium modules/more.nix:1:54",
            ],
        ),
        module(
            "own-warning",
            "{ warnings = [ \"The moon is full.\" ]; }",
            &["warning nixos-warning"],
        ),
        module(
            "throws",
            "{ environment.etc.x.text = throw \"not here\"; }",
            &["error unknown"],
        ),
    ]
}

fn values() -> Vec<Case> {
    let grub = "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; boot.loader.grub.device = \"/dev/nosuch\"; }";
    vec![
        module("systemd-boot-on-bios", "{ }", &["error boot-needs-uefi"]).on(BIOS),
        module(
            "grub-without-device",
            "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; }",
            &["error grub-device-none"],
        )
        .on(BIOS),
        module("grub-on-absent-disk", grub, &["error grub-device-missing"]).on(BIOS),
        module("bios-grub-on-efi", grub, &["error boot-needs-bios"]),
        module(
            "grub-without-entry",
            "{ lib, ... }: { boot.loader = { systemd-boot.enable = lib.mkForce false; grub = { efiSupport = true; device = \"nodev\"; }; efi.canTouchEfiVariables = lib.mkForce false; }; }",
            &["warning boot-entry-none"],
        ),
        module(
            "no-boot-loader",
            "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; boot.loader.grub.enable = false; }",
            &["error boot-loader-none"],
        ),
        module(
            "two-boot-loaders",
            "{ boot.loader.grub.enable = true; boot.loader.grub.device = \"nodev\"; }",
            &["error assertion"],
        ),
        module(
            "nobody-gets-in-ever",
            "{ lib, ... }: { users.mutableUsers = false; users.users.alice.initialHashedPassword = lib.mkForce \"!\"; }",
            &["error nobody-can-log-in"],
        ),
        module(
            "nobody-gets-in-yet",
            "{ lib, ... }: { users.users.alice.initialHashedPassword = lib.mkForce null; }",
            &["warning nobody-can-log-in"],
        ),
        module(
            "password-file-absent",
            "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; hashedPasswordFile = \"/etc/nixos/pw\"; }; }",
            &["warning password-file-missing", "error nobody-can-log-in"],
        ),
        case(
            "password-file-of-a-flake",
            "flake",
            |tree| password_file(tree, "toString ./pw"),
            &["warning password-file-missing", "error nobody-can-log-in"],
        ),
        case(
            "system-nix-beside-configuration-nix",
            "channel",
            |tree| {
                write(
                    tree,
                    "system.nix",
                    "import <nixpkgs/nixos> { configuration = ./configuration.nix; }",
                )
            },
            &["warning system-nix system.nix"],
        ),
        module(
            "key-without-server",
            "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; openssh.authorizedKeys.keys = [ \"ssh-ed25519 x\" ]; }; }",
            &["error nobody-can-log-in"],
        ),
        module(
            "nobody-is-root",
            "{ lib, ... }: { users.users.alice.extraGroups = lib.mkForce [ ]; }",
            &["warning nobody-is-root"],
        ),
        module(
            "other-platform",
            "{ nixpkgs.hostPlatform = \"aarch64-linux\"; }",
            &["error platform-other"],
        ),
        case(
            "hardware-not-imported",
            "channel",
            |tree| edit(tree, "configuration.nix", "./hardware-configuration.nix", ""),
            &["warning hardware-not-imported", "error root-file-system-none"],
        ),
        module("esp-not-mounted", "{ }", &["error esp-none"]).on(DISK_WITHOUT_ESP),
        module("esp-mounted-later", "{ }", &["error esp-not-configured"]).on(DISK_WITH_LATER_ESP),
        module(
            "esp-elsewhere",
            "{ boot.loader.efi.efiSysMountPoint = \"/efi\"; }",
            &["error esp-none"],
        ),
        module(
            "encrypted-with-another-keymap",
            "{ console.keyMap = \"de\"; }",
            &["warning keymap-differs"],
        )
        .on(ENCRYPTED),
        module(
            "target-absent",
            "{ networking.hostName = \"other\"; }",
            &["error target-missing", "error option-conflict configuration.nix"],
        )
        .args("--target /nowhere"),
        module("target-not-mounted", "{ }", &["error target-not-mounted"]).args("--target /var"),
        module("system-too-large", "{ }", &["error disk-too-small"])
            .on("umount /mnt; mount -t tmpfs -o size=20m,mode=755 none /mnt"),
        case(
            "file-system-set-twice",
            "channel",
            |tree| {
                add_module(
                    tree,
                    "{ fileSystems.\"/\" = { device = \"/dev/sda1\"; fsType = \"ext4\"; }; }",
                )
            },
            &["error file-system-other modules/more.nix:1"],
        ),
        // All of disko's, as its module defines them, and something else that is wrong.
        module(
            "disks-of-another-machine",
            DISKO,
            &[
                "error file-system-other modules/more.nix:3",
                "error not-on-medium modules/more.nix:2:39",
            ],
        ),
        module(
            "root-forced",
            "{ lib, ... }: { fileSystems.\"/\".device = lib.mkForce \"/dev/disk/by-partlabel/disk-main-root\"; }",
            &["error file-system-other modules/more.nix:1"],
        ),
        case(
            "own-root-and-no-hardware",
            "channel",
            |tree| without_hardware(tree, "LABEL=nixos"),
            &[
                "warning hardware-not-imported",
                "error file-system-other configuration.nix:4",
            ],
        )
        .on(BIOS_WITH_DISK),
        // Nothing is mounted: it may be, as the configuration has it.
        module(
            "own-root-before-partitioning",
            "{ fileSystems.\"/\" = { device = \"/dev/disk/by-label/nixos\"; fsType = \"ext4\"; }; }",
            &["warning file-systems-fixed modules/more.nix:1"],
        )
        .on("umount /mnt"),
        // nixos-generate-config wrote a name by UUID into the target.
        module(
            "same-root-twice",
            "{ fileSystems.\"/\" = { device = \"tmpfs\"; fsType = \"tmpfs\"; }; }",
            &["error file-system-twice modules/more.nix:1"],
        )
        .on("umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; rm /mnt/etc/nixos/configuration.nix"),
        case(
            "hardware-of-another-disk",
            "channel",
            |_| (),
            &["error file-system-other"],
        )
        .on("umount /mnt; mount -t tmpfs -o mode=755 none /mnt; nixos-generate-config --root /mnt 2> /dev/null; rm /mnt/etc/nixos/configuration.nix; sed -i s,none,/dev/disk/by-uuid/of-before,\\;s,tmpfs,ext4, /mnt/etc/nixos/hardware-configuration.nix"),
        case(
            "hardware-with-more",
            "channel",
            |tree| {
                edit(
                    tree,
                    "hardware-configuration.nix",
                    "  fileSystems",
                    "  boot.kernelParams = [ \"quiet\" ];\n  fileSystems.\"/nas\" = {\n    device = \"nas:/x\";\n    fsType = \"nfs\";\n  };\n  fileSystems",
                )
            },
            &["warning hardware-handwritten hardware-configuration.nix:8"],
        ),
    ]
}

/// The file systems of a layout in which everything has a name by disko.
const DISKO: &str = r#"{ pkgs, ... }: {
  environment.systemPackages = [ pkgs.htop ];
  fileSystems."/" = { device = "/dev/mapper/crypted"; fsType = "ext4"; };
  fileSystems."/nix" = { device = "/dev/mapper/crypted"; fsType = "ext4"; };
  fileSystems."/boot" = { device = "/dev/disk/by-partlabel/disk-main-ESP"; fsType = "vfat"; };
  boot.initrd.luks.devices.crypted.device = "/dev/disk/by-partlabel/disk-main-luks";
}"#;

/// The channel example with a root of its own instead of a hardware configuration, for a BIOS.
fn without_hardware(tree: &Path, root: &str) {
    fs::remove_file(tree.join("hardware-configuration.nix")).unwrap();
    edit(tree, "configuration.nix", "    ./hardware-configuration.nix\n", "");
    edit(
        tree,
        "configuration.nix",
        "  imports = [",
        &format!("  fileSystems.\"/\" = {{ device = \"{root}\"; fsType = \"ext4\"; }};\n  imports = ["),
    );
    edit(
        tree,
        "configuration.nix",
        "boot.loader.systemd-boot.enable = true;",
        "boot.loader.grub.device = \"/dev/disk-0\";",
    );
}

fn flakes() -> Vec<Case> {
    let flake = |name, change: fn(&Path), expected: &[&'static str]| case(name, "flake", change, expected);
    vec![
        flake(
            "lock-absent",
            |tree| fs::remove_file(tree.join("flake.lock")).unwrap(),
            &["error flake-lock-absent flake.nix"],
        ),
        flake(
            "lock-incomplete",
            |tree| {
                edit(
                    tree,
                    "flake.nix",
                    "    dotfiles = {",
                    "    more.url = \"github:example/more\";\n    dotfiles = {",
                )
            },
            &["error flake-lock-incomplete flake.lock"],
        ),
        flake(
            "lock-stale",
            |tree| edit(tree, "flake.nix", "nixos-24.05", "nixos-25.05"),
            &["error flake-lock-stale flake.lock"],
        ),
        flake(
            "lock-broken",
            |tree| edit(tree, "flake.lock", "\"nodes\": {", "<<<<<<< HEAD\n"),
            &["error flake-lock-broken flake.lock:2:3"],
        ),
        flake(
            "lock-of-the-future",
            |tree| edit(tree, "flake.lock", "\"version\": 7", "\"version\": 8"),
            &["error flake-lock-too-new flake.lock"],
        ),
        flake(
            "inputs-missing",
            |tree| {
                for name in ["extra", "tools"] {
                    let text = fs::read_to_string(tree.join("flake.lock")).unwrap();
                    let node = text.split(&format!("\"{name}\": {{\n      ")).nth(1).unwrap();
                    let hash = node.split("\"narHash\": \"").nth(1).unwrap().split('"').next().unwrap();
                    let other = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
                    edit(tree, "flake.lock", hash, other);
                }
            },
            &[
                "error flake-input-missing flake.lock",
                "error flake-input-missing flake.lock",
            ],
        ),
        flake(
            "flake-syntax",
            |tree| edit(tree, "flake.nix", "outputs =", "outputs"),
            &["error syntax flake.nix:15:5"],
        ),
        flake(
            "no-hosts",
            |tree| edit(tree, "flake.nix", "nixosConfigurations", "nixosModules"),
            &["error host-none"],
        ),
        flake("host-unknown", |_| (), &["error host-unknown"]).args("--host gamma"),
        flake("host-ambiguous", |_| (), &["error host-ambiguous"]).args(""),
        flake(
            "host-broken",
            |tree| {
                edit(
                    tree,
                    "hosts/alpha/default.nix",
                    "services.greeter.enable = true;",
                    "services.greeter.enable = true",
                )
            },
            &["error syntax hosts/alpha/default.nix:8:19"],
        ),
        flake(
            "hardware-ambiguous",
            |tree| {
                for name in ["x", "y"] {
                    write(tree, &format!("hosts/alpha/{name}/hardware-configuration.nix"), "{ }");
                }
            },
            &["error hardware-ambiguous"],
        ),
        flake("hardware-outside", |_| (), &["error hardware-path"]).args("--host alpha --hardware-config ../hw.nix"),
        flake(
            "key-in-flake",
            |tree| write(tree, "secrets/id", KEY),
            &["warning tree-secret secrets/id:1"],
        ),
    ]
}

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n-----END OPENSSH PRIVATE KEY-----\n";

fn trees() -> Vec<Case> {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    let channel = |name, change: fn(&Path), expected: &[&'static str]| case(name, "channel", change, expected);
    vec![
        channel(
            "special-files",
            |tree| {
                nix::unistd::mkfifo(&tree.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
                drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap());
                let null = nix::sys::stat::makedev(1, 3);
                nix::sys::stat::mknod(
                    &tree.join("null"),
                    nix::sys::stat::SFlag::S_IFCHR,
                    nix::sys::stat::Mode::S_IRUSR,
                    null,
                )
                .unwrap();
            },
            &[
                "error tree-special-file null",
                "error tree-special-file pipe",
                "error tree-special-file socket",
            ],
        ),
        channel(
            "open-to-all",
            |tree| fs::set_permissions(tree.join("motd"), fs::Permissions::from_mode(0o666)).unwrap(),
            &["error tree-world-writable motd"],
        ),
        channel(
            "of-a-service",
            |tree| chown(tree.join("motd"), Some(77), None).unwrap(),
            &["error tree-owner motd"],
        ),
        channel(
            "of-somebody",
            |tree| chown(tree.join("motd"), Some(4242), None).unwrap(),
            &["warning tree-owner-unknown motd"],
        ),
        channel(
            "unreadable",
            |tree| {
                chown(tree.join("motd"), Some(1000), None).unwrap();
                fs::set_permissions(tree.join("motd"), fs::Permissions::from_mode(0o000)).unwrap();
            },
            &[
                "warning tree-link-broken modules/motd-link",
                "error tree-unreadable motd",
                "error file-missing configuration.nix:22:35",
            ],
        )
        .without_privileges(),
        channel(
            "links",
            |tree| {
                symlink("/somewhere/else", tree.join("out")).unwrap();
                symlink("nothing", tree.join("broken")).unwrap();
            },
            &["warning tree-link-broken broken", "warning tree-link-outside out"],
        ),
        channel(
            "key-in-tree",
            |tree| write(tree, "host_key", KEY),
            &["warning tree-secret host_key:1"],
        ),
        channel(
            "five-faults",
            |tree| {
                write(tree, "host_key", KEY);
                write(tree, "modules/broken.nix", "{ time.timeZone = \"UTC\" }\n");
                edit(
                    tree,
                    "configuration.nix",
                    "./modules/greeter.nix",
                    "./modules/broken.nix ./modules/gone.nix",
                );
                edit(
                    tree,
                    "configuration.nix",
                    "[ pkgs.cowsay ]",
                    "[ pkgs.cowsay pkgs.htop pkgs.unfree-game ]",
                );
            },
            &[
                "warning tree-secret host_key:1",
                "error import-missing configuration.nix:6:26",
                "error syntax modules/broken.nix:1:25",
                "error unfree configuration.nix:21:61",
                "error boot-needs-uefi",
                "error not-on-medium configuration.nix:21:51",
                "error not-on-medium configuration.nix:21:61",
            ],
        )
        .on(BIOS),
    ]
}

/// Configurations in which nothing must be found.
pub fn good() -> Vec<Case> {
    let channel = |name, change: fn(&Path)| case(name, "channel", change, &[]);
    let grub = "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; boot.loader.grub.device = \"/dev/disk\"; }";
    vec![
        channel("as-it-is", |_| ()),
        case("flake-alpha", "flake", |_| (), &[]),
        channel("no-esp-for-a-boot-loader-that-is-left-alone", |_| ())
            .on(DISK_WITHOUT_ESP)
            .args("--no-bootloader"),
        channel("no-boot-loader-where-none-is-installed", |tree| {
            edit(
                tree,
                "configuration.nix",
                "systemd-boot.enable = true",
                "grub.enable = false",
            );
        })
        .args("--no-bootloader"),
        case("flake-beta", "flake", |_| (), &[]).args("--host beta"),
        channel("drafts-that-nothing-imports", |tree| {
            write(tree, "drafts/later.nix", "{ imports = [ ./nowhere.nix ]; a = ; }");
            write(
                tree,
                "README.md",
                "Put your key here:\n\n-----BEGIN OPENSSH PRIVATE KEY-----\n…\n",
            );
        }),
        channel("imports-that-do-not-hold", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { imports = lib.optional (builtins.pathExists ./local.nix) ./local.nix; }",
            );
        }),
        channel("keys-and-a-server", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { users.users.alice.password = \"x\"; users.mutableUsers = false; }",
            );
        }),
        channel("passwords-by-file", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; hashedPasswordFile = \"/run/secrets/alice\"; }; }",
            );
        }),
        channel("password-file-of-the-tree", |tree| {
            write(tree, "pw", "$6$x");
            add_module(
                tree,
                "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; hashedPasswordFile = toString ../pw; }; }",
            );
        }),
        case(
            "password-file-that-a-flake-brings",
            "flake",
            |tree| password_file(tree, "\"${./pw}\""),
            &[],
        ),
        channel("module-called-system-nix", |tree| {
            write(tree, "system.nix", "{ environment.etc.x.text = \"x\"; }");
            edit(
                tree,
                "configuration.nix",
                "./modules/greeter.nix",
                "./modules/greeter.nix ./system.nix",
            );
        }),
        case("grub-on-bios", "channel", move |tree| add_module(tree, grub), &[])
            .on("mount -t tmpfs none /sys/firmware; touch /dev/disk"),
        channel("grub-on-efi", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { boot.loader = { systemd-boot.enable = lib.mkForce false; grub = { efiSupport = true; device = \"nodev\"; }; }; }",
            );
        }),
        // By another name than nixos-generate-config has for it.
        channel("the-same-root-by-another-name", |tree| {
            add_module(
                tree,
                "{ fileSystems.\"/\" = { device = \"UUID=01234567-89ab-cdef-0123-456789abcdef\"; fsType = \"ext4\"; options = [ \"noatime\" ]; }; }",
            );
        }),
        // The hardware is in a report, the file systems in the configuration.
        channel("facter-and-own-file-systems", |tree| {
            without_hardware(tree, "/dev/disk/by-uuid/01234567-89ab-cdef-0123-456789abcdef");
            write(tree, "facter.json", "{ \"version\": 1 }");
            add_module(tree, "{ hardware.facter.reportPath = ../facter.json; }");
        })
        .on(BIOS_WITH_DISK),
        // A default gives way to what is mounted.
        channel("root-by-default", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { fileSystems.\"/\".device = lib.mkDefault \"/dev/disk/by-label/nixos\"; }",
            );
        }),
        channel("encrypted-secrets", |tree| {
            write(
                tree,
                "secrets.age",
                "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBhYWFhYWFhYWFhYWFhYWFhYWFh\n",
            );
        }),
        channel("nested-folders", |tree| {
            write(
                tree,
                "profiles/default.nix",
                "{ imports = [ ./a ../modules/greeter.nix ] ++ [ ]; }",
            );
            write(tree, "profiles/a/default.nix", "{ time.timeZone = \"Europe/Lisbon\"; }");
            edit(tree, "configuration.nix", "./modules/greeter.nix", "./profiles");
        }),
    ]
}
