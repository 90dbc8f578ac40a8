//! Configurations in which nothing must be found.

use std::path::Path;

use super::case::{BIOS_WITH_DISK, Case, DISK_WITHOUT_ESP, add_module, case, edit, write};
use super::file_systems::without_hardware;
use super::users::password_file;

/// A change of the channel example in which nothing must be found.
fn good(name: &'static str, change: fn(&Path)) -> Case {
    case(name, "channel", change, &[])
}

/// Whole trees.
pub fn trees() -> Vec<Case> {
    vec![
        good("as-it-is", |_| ()),
        case("flake-alpha", "flake", |_| (), &[]),
        case("flake-beta", "flake", |_| (), &[]).args("--host beta"),
        good("drafts-that-nothing-imports", |tree| {
            write(tree, "drafts/later.nix", "{ imports = [ ./nowhere.nix ]; a = ; }");
            write(
                tree,
                "README.md",
                "Put your key here:\n\n-----BEGIN OPENSSH PRIVATE KEY-----\n…\n",
            );
        }),
        good("imports-that-do-not-hold", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { imports = lib.optional (builtins.pathExists ./local.nix) ./local.nix; }",
            );
        }),
        good("units-that-need-no-network-at-start", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { systemd.services = { online.serviceConfig.Nice = 1; timed.wants = [ \"network-online.target\" ]; late = { wantedBy = [ \"multi-user.target\" ]; after = [ \"network-online.target\" ]; }; off = lib.mkIf false { wantedBy = [ \"multi-user.target\" ]; wants = [ \"network-online.target\" ]; }; }; }",
            );
        }),
        good("module-called-system-nix", |tree| {
            write(tree, "system.nix", "{ environment.etc.x.text = \"x\"; }");
            edit(
                tree,
                "configuration.nix",
                "./modules/greeter.nix",
                "./modules/greeter.nix ./system.nix",
            );
        }),
        good("encrypted-secrets", |tree| {
            write(
                tree,
                "secrets.age",
                "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBhYWFhYWFhYWFhYWFhYWFhYWFh\n",
            );
        }),
        good("nested-directories", |tree| {
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

/// Ways to log in.
pub fn users() -> Vec<Case> {
    vec![
        good("keys-and-a-server", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { users.users.alice.password = \"x\"; users.mutableUsers = false; }",
            );
        }),
        good("passwords-by-file", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; hashedPasswordFile = \"/run/secrets/alice\"; }; }",
            );
        }),
        good("password-file-of-the-tree", |tree| {
            write(tree, "pw", "$6$x");
            add_module(
                tree,
                "{ lib, ... }: { users.mutableUsers = false; users.users.alice = { initialHashedPassword = lib.mkForce null; hashedPasswordFile = toString ../pw; }; }",
            );
        }),
        // The flake is kept in the store of the target.
        case(
            "password-file-of-a-flake",
            "flake",
            |tree| password_file(tree, "toString ./pw"),
            &[],
        ),
        case(
            "password-file-that-a-flake-brings",
            "flake",
            |tree| password_file(tree, "\"${./pw}\""),
            &[],
        ),
    ]
}

const OWN_ROOT: &str =
    r#"fileSystems."/" = { device = "UUID=01234567-89ab-cdef-0123-456789abcdef"; fsType = "ext4"; };"#;

/// Boot loaders and file systems.
pub fn machines() -> Vec<Case> {
    let grub = "{ lib, ... }: { boot.loader.systemd-boot.enable = lib.mkForce false; boot.loader.grub.device = \"/dev/disk\"; }";
    vec![
        good("no-esp-for-a-boot-loader-that-is-left-alone", |_| ())
            .on(DISK_WITHOUT_ESP)
            .args("--no-bootloader"),
        good("no-boot-loader-where-none-is-installed", |tree| {
            edit(
                tree,
                "configuration.nix",
                "systemd-boot.enable = true",
                "grub.enable = false",
            );
        })
        .args("--no-bootloader"),
        case("grub-on-bios", "channel", move |tree| add_module(tree, grub), &[])
            .on("mount -t tmpfs none /sys/firmware; touch /dev/disk"),
        good("grub-on-efi", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { boot.loader = { systemd-boot.enable = lib.mkForce false; grub = { efiSupport = true; device = \"nodev\"; }; }; }",
            );
        }),
        // By another name than nixos-generate-config has for it.
        good("the-same-root-by-another-name", |tree| {
            add_module(
                tree,
                "{ fileSystems.\"/\" = { device = \"UUID=01234567-89ab-cdef-0123-456789abcdef\"; fsType = \"ext4\"; options = [ \"noatime\" ]; }; }",
            );
        }),
        // A hardware configuration that sets no file systems, as with a layout for disko, and whose import is computed.
        case(
            "own-root-and-hardware-by-the-name-of-the-host",
            "flake",
            |tree| {
                let host = "hosts/alpha/default.nix";
                edit(tree, host, "imports = [ ./hardware-configuration.nix ];", OWN_ROOT);
                edit(
                    tree,
                    host,
                    "systemd-boot.enable = true",
                    "grub.device = \"/dev/disk-0\"",
                );
                let both = "./hosts/${name} ./hosts/${name}/hardware-configuration.nix";
                edit(tree, "flake.nix", "./hosts/${name}", both);
            },
            &[],
        )
        .on(BIOS_WITH_DISK),
        // The hardware is in a report, the file systems in the configuration.
        good("facter-and-own-file-systems", |tree| {
            without_hardware(tree, "/dev/disk/by-uuid/01234567-89ab-cdef-0123-456789abcdef");
            write(tree, "facter.json", "{ \"version\": 1 }");
            add_module(tree, "{ hardware.facter.reportPath = ../facter.json; }");
        })
        .on(BIOS_WITH_DISK),
        // A default gives way to what is mounted.
        good("root-by-default", |tree| {
            add_module(
                tree,
                "{ lib, ... }: { fileSystems.\"/\".device = lib.mkDefault \"/dev/disk/by-label/nixos\"; }",
            );
        }),
    ]
}
