//! The file systems of the configuration against those that are mounted, on real Nix: what is refused, and that the advice
//! ends well.

use rig::{Live, VERSIONS, edit, tree, write};
use tempfile::TempDir;

/// The channel example, with a module of its own.
fn with_module(text: &str) -> TempDir {
    let tree = tree("channel");
    write(&tree, "disk.nix", text);
    edit(
        &tree,
        "configuration.nix",
        "./modules/greeter.nix",
        "./modules/greeter.nix ./disk.nix",
    );
    tree
}

const BY_LABEL: &str = "{ fileSystems.\"/\" = { device = \"/dev/disk/by-label/nixos\"; fsType = \"ext4\"; }; }";

/// What stands in the installed system's fstab for the root.
fn root_of(live: &Live) -> String {
    let fstab = live
        .sh("chroot /mnt /nix/var/nix/profiles/system/sw/bin/cat /etc/fstab")
        .ok()
        .out;
    fstab.lines().find(|line| line.contains(" / ")).unwrap().to_owned()
}

#[test]
fn a_root_that_is_not_mounted_is_refused_and_each_piece_of_advice_ends_well() {
    for nix in VERSIONS {
        let tree = with_module(BY_LABEL);
        let live = Live::with_disk(nix).tmp_tree(tree.path());
        let refused = [
            "The installed system would not find what is mounted at /mnt",
            "disk.nix:1",
            "/: the configuration has /dev/disk/by-label/nixos (ext4); mounted is /dev/loop",
            "Mount the file systems of the configuration at /mnt. Or remove these `fileSystems` from the configuration",
        ];
        live.install("").fails(3, &refused);
        assert_eq!(live.sh("ls -A /mnt").ok().out, "lost+found\n", "the disk was written");
        // What was advised before leads to the same words, and not to a machine that cannot start.
        let force = "sed -i 's,\"/dev/disk/by-label/nixos\",lib.mkForce \"/dev/disk/by-label/nixos\",; s,^{,{ lib\\, ... }: {,' /tmp/nix-cfg/disk.nix";
        live.sh(force).ok();
        live.install("").fails(3, &refused);
        live.sh("sed -i 's,lib.mkForce,,' /tmp/nix-cfg/disk.nix").ok();
        // The disk becomes the one that the configuration has.
        live.sh("e2label $(findmnt -no SOURCE /mnt) nixos").ok();
        live.install("").ok();
        assert!(
            root_of(&live).starts_with("/dev/disk/by-label/nixos / ext4"),
            "{}",
            root_of(&live)
        );
        let hardware = live.read("/mnt/etc/nixos/hardware-configuration.nix");
        assert!(!hardware.contains("fileSystems.\"/\""), "{hardware}");
        assert!(hardware.contains("availableKernelModules"), "{hardware}");
        // Once more, with the file that is there now.
        live.install("").ok();
    }
    // The configuration gives way to what is mounted.
    let tree = with_module("{ }");
    let live = Live::with_disk("2.26").tmp_tree(tree.path());
    live.install("").ok();
    assert!(root_of(&live).starts_with("/dev/disk/by-uuid/"), "{}", root_of(&live));
}

#[test]
fn a_root_that_both_call_by_its_name_in_dev_mapper_stays_in_both() {
    // As disko declares a root in LUKS. There is no device mapper here: the link is what its name would be.
    let own =
        "{ fileSystems.\"/\" = { device = \"/dev/mapper/crypted\"; fsType = \"ext4\"; options = [ \"noatime\" ]; }; }";
    let tree = with_module(own);
    let live = Live::with_disk("2.26").tmp_tree(tree.path());
    let said = live
        .sh("mkdir -p /dev/mapper && ln -s $(findmnt -no SOURCE /mnt) /dev/mapper/crypted && nix-cfg-install --progress plain")
        .ok();
    assert!(!said.err.contains("arning"), "{}", said.err);
    let hardware = live.read("/mnt/etc/nixos/hardware-configuration.nix");
    assert!(hardware.contains("device = \"/dev/mapper/crypted\""), "{hardware}");
    let root = root_of(&live);
    assert!(root.starts_with("/dev/mapper/crypted / ext4 "), "{root}");
    assert!(root.contains("noatime"), "{root}");
}

#[test]
fn a_hardware_configuration_at_the_target_that_says_it_too_is_removed_by_the_person_who_wrote_it() {
    let tree = with_module(BY_LABEL);
    let live = Live::with_disk("2.26").tmp_tree(tree.path());
    live.sh("e2label $(findmnt -no SOURCE /mnt) nixos; nixos-generate-config --root /mnt; rm /mnt/etc/nixos/configuration.nix")
        .ok();
    live.install("").fails(
        3,
        &[
            "The configuration and the target's hardware-configuration.nix both set the same file systems",
            "Remove /mnt/etc/nixos/hardware-configuration.nix",
        ],
    );
    live.sh("rm /mnt/etc/nixos/hardware-configuration.nix").ok();
    live.install("").ok();
    assert!(
        root_of(&live).starts_with("/dev/disk/by-label/nixos"),
        "{}",
        root_of(&live)
    );
}

#[test]
fn a_flake_with_a_report_of_its_hardware_and_file_systems_of_its_own_needs_no_other_file() {
    let tree = tree("flake");
    std::fs::remove_dir_all(tree.path().join("hosts/beta")).unwrap();
    std::fs::remove_file(tree.path().join("hosts/alpha/hardware-configuration.nix")).unwrap();
    edit(
        &tree,
        "flake.nix",
        "      nixosConfigurations.beta = host \"beta\";\n",
        "",
    );
    write(&tree, "hosts/alpha/facter.json", "{ \"version\": 1 }");
    edit(
        &tree,
        "hosts/alpha/default.nix",
        "  imports = [ ./hardware-configuration.nix ];",
        "  hardware.facter.reportPath = ./facter.json;\n  nixpkgs.hostPlatform = \"x86_64-linux\";\n  fileSystems.\"/\" = { device = \"LABEL=nixos\"; fsType = \"ext4\"; };",
    );
    edit(
        &tree,
        "hosts/alpha/default.nix",
        "boot.loader.systemd-boot.enable = true;",
        "boot.loader.grub.device = \"/dev/disk-0\";",
    );
    // By a BIOS: this rig has no file system for an EFI system partition.
    let live = Live::with_disk("2.26")
        .with(&["--firmware", "bios"])
        .tmp_tree(tree.path());
    live.sh("touch /dev/disk-0").ok();
    let refused = live
        .sh("touch /dev/disk-0; nix-cfg-install --progress plain")
        .fails(3, &["/: the configuration has LABEL=nixos (ext4); mounted is"]);
    assert!(
        !refused.err.contains("No file of the configuration names"),
        "{}",
        refused.err
    );
    let said = live
        .sh("touch /dev/disk-0; e2label $(findmnt -no SOURCE /mnt) nixos; nix-cfg-install --progress plain")
        .ok();
    assert!(!said.err.contains("arning"), "{}", said.err);
    assert!(root_of(&live).starts_with("LABEL=nixos"), "{}", root_of(&live));
}

#[test]
fn what_a_person_wrote_into_the_hardware_configuration_is_named_when_it_is_replaced() {
    let tree = tree("channel");
    edit(
        &tree,
        "hardware-configuration.nix",
        "  boot.initrd",
        "  boot.kernelParams = [ \"quiet\" ];\n  boot.initrd",
    );
    let live = Live::with_disk("2.26").tmp_tree(tree.path());
    let said = live.install("").ok();
    for text in [
        "hardware-configuration.nix:6",
        "line 6: boot.kernelParams",
        "such as configuration.nix",
    ] {
        assert!(said.err.contains(text), "not said: {text}\n{}", said.err);
    }
    // With the same in the target's own file, nothing is lost.
    let live = Live::with_disk("2.26").tmp_tree(tree.path());
    live.sh("mkdir -p /mnt/etc/nixos; nixos-generate-config --show-hardware-config --root /mnt | sed 's/^{$/{ boot.kernelParams = [ \"quiet\" ];/' > /mnt/etc/nixos/hardware-configuration.nix")
        .ok();
    let said = live.install("").ok();
    assert!(!said.err.contains("boot.kernelParams"), "{}", said.err);
}
