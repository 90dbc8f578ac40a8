//! A layout for disko is made before the installation, by the script of the configuration itself. The module is one of ours, in the
//! shape of disko's: the miniature nixpkgs cannot evaluate the real one, which `tests/rig/tests/disko_module.rs` does.

use rig::iso::{Emitted, OVERRIDE, boot, build, builder};
use rig::layout::{ENCRYPTED, INSTALL, PLAIN, bios, put_layout, with_disk, with_layout};
use rig::{Live, edit, project, tree, write};

#[test]
fn the_iso_has_what_the_scripts_need_for_another_disk() {
    let tree = with_layout(PLAIN);
    let hardware = "{ modulesPath, ... }: { imports = [ (modulesPath + \"/profiles/qemu-guest.nix\") ]; nixpkgs.hostPlatform = \"x86_64-linux\"; }";
    write(&tree, "hardware-configuration.nix", hardware);
    let emitted = Emitted::new(tree.path(), &["--nixpkgs", "github:NixOS/nixpkgs/nixos-24.05"]);
    let builder = builder("2.26", &emitted);
    let image = build(&builder, OVERRIDE);
    let live = boot("2.26", &image).with(&["--firmware", "bios"]);
    let said = with_disk(
        &live,
        &format!("umount /mnt && {INSTALL} --yes && cat /mnt/etc/nixos/machine.nix"),
    )
    .ok();
    assert!(said.out.contains("disko.devices.disk.main.device"), "{}", said.out);
}

#[test]
fn the_layout_is_made_after_the_check_and_the_system_is_installed_on_it() {
    let tree = with_layout(PLAIN);
    let live = bios(&tree);
    let said = with_disk(
        &live,
        &format!(
            "mkfs.ext4 -q -L old $chosen
             {INSTALL} --check
             blkid -o value -s LABEL $chosen
             findmnt /mnt || echo not mounted
             {INSTALL} --yes
             findmnt -no LABEL,SOURCE /mnt
             cat /mnt/etc/nixos/machine.nix
             grep -c fileSystems /mnt/etc/nixos/hardware-configuration.nix || true
             cat /mnt/$(readlink /mnt/nix/var/nix/profiles/system-1-link)/etc/fstab
             {INSTALL} --yes
             umount -R /mnt
             nix-cfg-install --progress plain --disko mount --disk main=/dev/chosen"
        ),
    )
    .ok();
    assert!(said.out.starts_with("old\nnot mounted\n"), "{}", said.out);
    for text in [
        "\nroot ",
        "disko.devices.disk.main.device = lib.mkForce \"/dev/",
        "\n0\n",
        "/dev/disk/by-label/root / ext4",
    ] {
        assert!(said.out.contains(text), "{text}\n{}", said.out);
    }
    for text in [
        "To be erased: /dev/",
        "Partitioning the disk",
        "Continuing the installation that was begun on this disk.",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}

#[test]
fn what_keeps_the_layout_from_being_made_is_reported_at_once_and_nothing_is_erased() {
    let tree = with_layout(ENCRYPTED);
    let live = bios(&tree);
    let said = with_disk(
        &live,
        "mkfs.ext4 -q -L old $chosen
         mkdir -p /elsewhere && mount $chosen /elsewhere
         mount -t tmpfs none /mnt
         fails() { code=0; \"$@\" || code=$?; echo \"code $code\"; }
         fails nix-cfg-install --progress plain --disko wipe --yes --disk main=$chosen --disk other=/dev/null
         fails nix-cfg-install --progress plain --disko wipe --yes
         umount /mnt /elsewhere
         fails nix-cfg-install --progress plain --disko wipe --disk main=$chosen < /dev/null
         fails nix-cfg-install --progress plain --disk main=$chosen
         fails nix-cfg-install --progress plain --disko wipe --disk main --disk =/dev/sda
         blkid -o value -s LABEL $chosen",
    )
    .ok();
    assert_eq!(
        said.out, "code 3\ncode 3\ncode 3\ncode 2\ncode 3\nold\n",
        "{}",
        said.err
    );
    for text in [
        "The layout for disko has no disk `other`",
        " is in use",
        "Something is mounted at /mnt already",
        "mounted at /elsewhere",
        "This machine has no disk /dev/disk/by-id/not-here",
        "Nobody confirmed that these disks are to be erased or changed",
        "Nobody can be asked for the passphrase of the encrypted volumes: root",
        "`--disk main` has no name or no device",
        "`--disk =/dev/sda` has no name or no device",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}

#[test]
fn the_passphrase_reaches_the_script_and_no_log() {
    let tree = with_layout(ENCRYPTED);
    let live = bios(&tree);
    let said = with_disk(
        &live,
        &format!(
            "echo 'correct horse' > /secret
             {INSTALL} --yes --passphrase-file /secret -vv
             cat /passphrases
             ! grep -r 'correct horse' /mnt/etc /mnt/var /var/log"
        ),
    )
    .ok();
    assert!(said.out.contains("correct horse\n"), "{}", said.out);
    assert!(!said.err.contains("correct horse"), "{}", said.err);
}

#[test]
fn where_the_check_after_the_layout_fails_the_log_is_on_the_target() {
    let tree = with_layout(PLAIN);
    edit(&tree, "disko.nix", "mount ${disk", "mount -o noexec ${disk");
    let said = with_disk(
        &bios(&tree),
        &format!("! {INSTALL} --yes\ncat /mnt/var/log/nix-cfg-install/*.log"),
    )
    .ok();
    assert!(said.out.contains("failed in "), "{}", said.out);
    for text in ["is mounted with noexec", "Log: /mnt/var/log/nix-cfg-install/"] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}

#[test]
fn a_layout_that_sets_no_file_systems_leaves_them_to_the_hardware_configuration() {
    let tree = with_layout(PLAIN);
    edit(&tree, "disk.nix", "imports", "disko.enableConfig = false; imports");
    let live = bios(&tree);
    let said = with_disk(
        &live,
        &format!("{INSTALL} --yes\ngrep -A2 'fileSystems.\"/\"' /mnt/etc/nixos/hardware-configuration.nix"),
    )
    .ok();
    assert!(said.out.contains("/dev/disk/by-uuid/"), "{}", said.out);
}

#[test]
fn a_layout_without_the_partition_of_the_boot_loader_is_refused() {
    let tree = with_layout(PLAIN);
    edit(
        &tree,
        "configuration.nix",
        "boot.loader.grub.enable",
        "boot.loader.systemd-boot.enable",
    );
    let live = Live::new("2.26").iso_tree(tree.path());
    let said = with_disk(
        &live,
        &format!("{INSTALL} --yes || echo code $?; blkid $chosen || echo empty"),
    )
    .ok();
    assert_eq!(said.out, "code 3\nempty\n");
    let text = "error: The layout for disko has no EFI system partition at /boot";
    assert!(said.err.contains(text), "{}", said.err);
}

#[test]
fn a_configuration_without_a_layout_is_told_so() {
    let live = Live::new("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    live.install("--check --disko wipe")
        .fails(3, &["The configuration has no layout for disko"]);
}

#[test]
fn an_answers_file_names_the_host_and_the_disks_of_its_layout_and_nobody_is_asked() {
    let tree = tree("flake");
    put_layout(&tree, "hosts/alpha/", "default.nix", ENCRYPTED);
    let live = bios(&tree);
    let said = with_disk(
        &live,
        r#"mkfs.ext4 -q -L old $chosen
           mkdir -p /dev/disk/by-id /answers
           ln -sf ../../$(basename $chosen) /dev/disk/by-id/rig-main
           ln -sf ../../$(basename $more) /dev/disk/by-id/rig-more
           install() {
             printf 'machines:\n- match: all\n%s\n' "$1" > /answers/a.yaml
             code=0
             nix-cfg-install --progress plain --answers /answers/a.yaml < /dev/null || code=$?
             echo "code $code"
           }
           one='  disks: { main: /dev/disk/by-id/rig-main }'
           both='  disks: { main: /dev/disk/by-id/rig-main, more: /dev/disk/by-id/rig-more }'
           alpha='  host: alpha'
           install "$both"
           install "$alpha
$one"
           install "$alpha
$both
  passphrase: prompt"
           blkid -o value -s LABEL $chosen
           echo 'correct horse' > /answers/secret
           install "$alpha
$both
  passphrase: { file: secret }"
           cat /passphrases
           findmnt -no LABEL /mnt
           findmnt -no LABEL /mnt/data
           cat /mnt/etc/nixos/hosts/alpha/machine.nix /mnt/etc/nixos/machine.nix 2> /dev/null || true
           cat /mnt/$(readlink /mnt/nix/var/nix/profiles/system-1-link)/etc/hostname"#,
    )
    .ok();
    assert!(
        said.out
            .starts_with("code 3\ncode 3\ncode 3\nold\ncode 0\ncorrect horse\n"),
        "{}\n{}",
        said.out,
        said.err
    );
    for text in ["\nroot", "\ndata", "/dev/disk/by-id/rig-main", "\nalpha"] {
        assert!(said.out.contains(text), "{text}\n{}\n{}", said.out, said.err);
    }
    for text in [
        "alpha",
        "The answers file does not name all disks of the layout for disko: more (/dev/more)",
        "The answers file has no passphrase for the encrypted volumes: root",
        "Nobody can be asked for the passphrase",
        "To be erased: /dev/disk/by-id/rig-more",
    ] {
        assert!(said.err.contains(text), "{text}\n{}", said.err);
    }
}
