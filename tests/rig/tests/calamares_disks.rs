//! What the job of calamares-nixos-extensions 0.3.23 does for disks and kernels besides installing, with the real Calamares
//! and its own mount job.

use rig::gui::{Gui, dialog};
use rig::{attach, detach};
use serde_json::{Value, json};

/// For what does not depend on the version.
const CALAMARES: &str = "3.3";

/// A configuration that leaves the disk to the installer.
fn tree_for_bios() -> tempfile::TempDir {
    let tree = rig::tree("channel");
    let loader = "boot.loader.grub.device = \"/dev/vdz\";";
    rig::edit(
        &tree,
        "configuration.nix",
        "boot.loader.systemd-boot.enable = true;",
        loader,
    );
    tree
}

fn bios(gui: &mut Gui, loader: &Value, partitions: &Value) {
    gui.storage["firmwareType"] = json!("bios");
    gui.partitioned = json!({ "bootLoader": loader, "partitions": partitions });
}

fn root(device: &str, fs: &str) -> Value {
    json!({"device": device, "mountPoint": "/", "fs": fs, "fsName": fs, "uuid": "", "claimed": true})
}

/// Makes /dev/root, an empty btrfs.
fn btrfs() -> String {
    format!(
        "truncate -s 600M /root.img && mkfs.btrfs -q /root.img; {}",
        attach("/root.img", "root")
    )
}

/// As calamares-nixos-extensions 0.3.23 has it.
const MOUNT_CONF: &str = "---
extraMounts:
- { device: proc, fs: proc, mountPoint: /proc }
- { device: tmpfs, fs: tmpfs, mountPoint: /run }
btrfsSubvolumes:
- { mountPoint: /, subvolume: \"\" }
- { mountPoint: /home, subvolume: /home }
- { mountPoint: /nix, subvolume: /nix }
mountOptions:
- { filesystem: efi, options: [ fmask=0077, dmask=0077 ] }
- { filesystem: btrfs, options: [ compress=zstd, noatime ] }
";

#[test]
fn on_btrfs_and_a_bios_grub_goes_by_the_uuid_and_the_subvolumes_are_those_that_are_mounted() {
    for calamares in ["3.3", "3.4"] {
        let mut gui = Gui::new(calamares, "channel").with_tree(tree_for_bios());
        bios(
            &mut gui,
            &json!({"installPath": "@device@"}),
            &json!([root("/dev/root", "btrfs")]),
        );
        gui.file("modules/mount.conf", MOUNT_CONF);
        let said = gui.run_between(
            &btrfs(),
            &format!(
                "mkdir /installed /files
                 mount $root /installed && cp -r /installed/etc/nixos/. /files/
                 btrfs subvolume list /installed > /files/subvolumes
                 mount -o subvol=nix $root /installed/nix && ls /installed/nix/store > /files/store
                 {}",
                detach("root")
            ),
        );
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        assert!(!said.out.contains("Installation failed"), "{}", said.out);
        let read = |name: &str| gui.live.read(&format!("/files/{name}"));
        let machine = read("machine.nix");
        assert!(
            machine.contains("boot.loader.grub.fsIdentifier = lib.mkDefault \"provided\";"),
            "{machine}"
        );
        let hardware = read("hardware-configuration.nix");
        for name in ["home", "nix"] {
            let (_, entry) = hardware
                .split_once(&format!("fileSystems.\"/{name}\""))
                .expect(&hardware);
            let (entry, _) = entry.split_once("};").unwrap();
            assert!(entry.contains(&format!("\"subvol={name}\"")), "{hardware}");
            assert!(read("subvolumes").contains(&format!("path {name}\n")));
        }
        assert!(
            read("store").contains("nixos-system-channel-demo"),
            "the store is not in its subvolume"
        );
    }
}

#[test]
fn a_disk_that_is_mounted_again_by_hand_has_the_options_that_it_had() {
    let tree = rig::tree("channel");
    let broken = "environment.etc.broken.source = pkgs.glue \"broken\" { } \"exit 7\";\n  system.stateVersion";
    rig::edit(&tree, "configuration.nix", "system.stateVersion", broken);
    let mut gui = Gui::new(CALAMARES, "channel").with_tree(tree);
    gui.partitioned["partitions"] = json!([root("/dev/root", "btrfs")]);
    gui.file("modules/mount.conf", MOUNT_CONF);
    let said = gui.run_between(
        &btrfs(),
        &format!(
            "grep -q calamares-root /proc/self/mountinfo && exit 90
             sed -i /broken/d /tmp/nix-cfg/configuration.nix
             sed -n 's/^sudo \\(nix-cfg-install.*\\)/\\1/p' /calamares.log | bash -ex || code=91
             grep calamares-root /proc/self/mountinfo > /mounted
             {}",
            detach("root")
        ),
    );
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(dialog(&said).contains("To continue, in a terminal:"), "{}", said.out);
    let mounted = gui.live.read("/mounted");
    let lines: Vec<&str> = mounted.lines().filter(|line| line.contains(" btrfs ")).collect();
    assert_eq!(lines.len(), 3, "{mounted}");
    for (line, subvolume) in lines.iter().zip(["subvol=/", "subvol=/home", "subvol=/nix"]) {
        assert!(
            line.contains("rw,noatime") && line.contains("compress=zstd:3"),
            "{line}"
        );
        assert!(line.ends_with(subvolume), "{line}");
    }
}

#[test]
fn a_root_that_is_closed_to_others_is_opened_instead_of_refused() {
    let gui = Gui::new(CALAMARES, "channel");
    let said = gui.run_between("chmod 700 /mnt", "stat -c %a /mnt > /mode");
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    assert!(said.out.contains("had mode 700. It now has 755"), "{}", said.out);
    assert_eq!(gui.live.read("/mode"), "755\n");
}

#[test]
fn a_bios_for_which_no_boot_loader_was_chosen_gets_none() {
    let mut gui = Gui::new(CALAMARES, "channel").with_tree(tree_for_bios());
    bios(&mut gui, &Value::Null, &json!([root("@device@", "ext4")]));
    let said = gui.run_between("", "find /mnt/boot > /boot-files 2>&1");
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    let machine = gui.live.read("/mnt/etc/nixos/machine.nix");
    assert!(
        machine.contains("boot.loader.grub.enable = lib.mkForce false;"),
        "{machine}"
    );
    let boot = gui.live.read("/boot-files");
    assert!(boot.contains("No such file"), "{boot}");
}

#[test]
fn a_medium_that_was_started_with_the_latest_kernel_installs_that_one_unless_the_configuration_has_its_own() {
    for (own, kernel) in [
        ("", "linux-7.0.1"),
        ("boot.kernelPackages = pkgs.linuxPackages;\n  ", "linux-6.6.32"),
    ] {
        let tree = rig::tree("channel");
        rig::edit(
            &tree,
            "configuration.nix",
            "system.stateVersion",
            &format!("{own}system.stateVersion"),
        );
        let gui = Gui::new(CALAMARES, "channel").with_tree(tree);
        let said = gui.run_between(
            "printf '[Defaults]\\nKernel=latest\\n' > /etc/nixos-generate-config.conf",
            "readlink /mnt/$(readlink -f /mnt/nix/var/nix/profiles/system)/kernel > /kernel",
        );
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        assert!(!said.out.contains("Installation failed"), "{}", said.out);
        let installed = gui.live.read("/kernel");
        assert!(installed.contains(kernel), "{installed}");
    }
}

#[test]
fn the_check_before_the_disk_is_partitioned_knows_of_the_latest_kernel() {
    let gui = Gui::new(CALAMARES, "channel");
    let said = gui.run_between(
        "printf '[Defaults]\\nKernel=latest\\n' > /etc/nixos-generate-config.conf
         latest=$(ls -d /nix/store/*-linux-7.0.1) && nix-store --delete --ignore-liveness $latest",
        "",
    );
    let dialog = dialog(&said);
    assert!(dialog.contains("linux-7.0.1"), "{dialog}");
    assert_eq!(gui.ran(), "", "the partition job ran");
}
