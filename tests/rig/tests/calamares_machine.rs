//! What only the graphical installer knows of a machine, and who it is started by: the real Calamares on encrypted volumes, with
//! swap, and without root's rights.

use rig::gui::{Gui, dialog};
use rig::{Live, project};
use serde_json::json;

const CALAMARES: &str = "3.3";

/// Looks at all command lines, as often as it can, until Calamares has ended. The passphrase is made here, so that no command
/// line of the test has it.
const WATCH: &str = r#"
    export RIG_PASSPHRASE=$(od -An -tx1 -N 16 /dev/urandom | tr -d ' \n')
    echo "passphrase: $RIG_PASSPHRASE" >&2
    python3 /calamares/watch.py & watch=$!"#;

/// Makes the volume that Calamares would have made, and the names of the disk.
const ENCRYPT: &str = "
    truncate -s 32M /luks.img
    printf %s $RIG_PASSPHRASE | cryptsetup -q luksFormat --type luks2 --pbkdf argon2id --pbkdf-memory 32768 --pbkdf-parallel 1 \
      --pbkdf-force-iterations 4 /luks.img - || exit 90
    mkdir -p /dev/mapper && ln -s $(findmnt -no SOURCE /mnt) /dev/mapper/luks-root
    mkdir -p /dev/disk/by-id && ln -s $(findmnt -no SOURCE /mnt) /dev/disk/by-id/ata-Rig_42";

/// Reads what the installation made, and searches for the passphrase.
const READ_ENCRYPTED: &str = "
    wait $watch
    cryptsetup luksDump /luks.img > /dump
    cryptsetup open --test-passphrase --key-file /mnt/etc/secrets/initrd/luks.key /luks.img || exit 91
    printf %s $RIG_PASSPHRASE | cryptsetup open --test-passphrase --key-file - /luks.img || exit 92
    stat -c '%a %n' /mnt/etc/secrets/initrd /mnt/etc/secrets/initrd/luks.key > /modes
    grep -raF -f <(printf %s $RIG_PASSPHRASE) /calamares.log /var /tmp /run /root /etc /mnt > /found";

#[test]
fn on_a_bios_with_everything_encrypted_the_key_is_made_and_the_passphrase_is_nowhere() {
    let tree = rig::tree("channel");
    // Another disk, as on the machine on which the configuration was written.
    rig::edit(
        &tree,
        "configuration.nix",
        "boot.loader.systemd-boot.enable = true;",
        "boot.loader.grub.device = \"/dev/vdz\";",
    );
    let mut gui = Gui::new(CALAMARES, "channel").with_tree(tree);
    gui.storage["firmwareType"] = json!("bios");
    // As Calamares leaves it where it has no keymap for the console.
    gui.storage["keyboardLayout"] = json!("de");
    gui.storage["keyboardVariant"] = json!("nodeadkeys");
    gui.partitioned = json!({
        "bootLoader": {"installPath": "@device@"},
        "partitions": [
            {"device": "", "mountPoint": "", "fs": "unknown", "fsName": "unknown", "uuid": "", "claimed": false},
            // The header is real; what is "in" it is the rig's disk, for want of a device mapper.
            {"device": "/luks.img", "mountPoint": "/", "fs": "ext4", "fsName": "luks2", "uuid": "", "claimed": true,
             "luksMapperName": "luks-root", "luksUuid": "01234567-89ab-cdef-0123-456789abcdef", "luksPassphrase": "@passphrase@"},
        ],
    });
    let said = gui.run_between(&format!("{WATCH}{ENCRYPT}"), READ_ENCRYPTED);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    let read = |file: &str| gui.live.read(file);
    assert_eq!(
        read("/modes"),
        "700 /mnt/etc/secrets/initrd\n600 /mnt/etc/secrets/initrd/luks.key\n"
    );
    let dump = read("/dump");
    assert_eq!(dump.matches("pbkdf2").count(), 3, "two slots and the digest\n{dump}");
    assert!(!dump.contains("argon2"), "{dump}");
    assert!(read("/seen").contains("luksAddKey"), "the watch saw nothing");
    assert_eq!(read("/leaks") + &read("/found"), "");
    let (_, passphrase) = said.err.split_once("passphrase: ").unwrap();
    let passphrase = &passphrase[..32];
    let disk = gui.live.state.path().join("live/target.img");
    let mut grep = std::process::Command::new("grep");
    let status = grep.args(["-qaF", passphrase]).arg(disk).status().unwrap();
    assert_eq!(status.code(), Some(1), "the passphrase is on the disk");
    let machine = read("/mnt/etc/nixos/machine.nix");
    for text in [
        "lib.mkForce [ \"/dev/disk/by-id/ata-Rig_42\" ]",
        "enableCryptodisk",
        "gcry_sha512",
        "\"luks-root\"",
        "\"de-latin1-nodeadkeys\"",
    ] {
        assert!(machine.contains(text), "no {text} in\n{machine}");
    }
    let hardware = read("/mnt/etc/nixos/hardware-configuration.nix");
    assert_eq!(hardware.matches("./machine.nix").count(), 1, "{hardware}");
}

#[test]
fn the_pages_override_the_settings_also_by_the_keymap_of_a_passphrase_and_by_a_box_that_is_not_ticked() {
    let mut gui = Gui::new(CALAMARES, "channel");
    gui.storage["keyboardVConsoleKeymap"] = json!("us");
    gui.partitioned["partitions"][1] = json!({
        "device": "/luks.img", "mountPoint": "/", "fs": "ext4", "fsName": "luks2", "uuid": "", "claimed": true,
        "luksMapperName": "luks-root", "luksUuid": "01234567-89ab-cdef-0123-456789abcdef", "luksPassphrase": "correct horse",
    });
    let before = "mkdir -p /dev/mapper && ln -s $(findmnt -no SOURCE /mnt) /dev/mapper/luks-root
         echo 'set: { keymap: de, autologin: true, unfree: true }' > /etc/nix-cfg-install.yaml";
    let said = gui.run_between(before, "").ok();
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    let etc = gui
        .live
        .sh(
            "chroot /mnt /nix/var/nix/profiles/system/sw/bin/cat /nix/var/nix/profiles/system/etc/vconsole.conf
             cat /mnt/etc/nixos/choices.nix",
        )
        .ok()
        .out;
    assert!(etc.starts_with("KEYMAP=us\n"), "{etc}");
    // The page for it was not shown.
    assert!(etc.contains("allowUnfree = true;"), "{etc}");
    for overridden in ["keyMap", "autologin"] {
        assert!(!etc.contains(overridden), "{overridden}: {etc}");
    }
}

#[test]
fn a_swap_partition_is_put_to_use_so_that_the_installed_system_has_it() {
    let mut gui = Gui::new(CALAMARES, "channel");
    let swap = json!({"device": "/dev/rig-swap", "mountPoint": "", "fs": "linuxswap", "fsName": "linuxswap", "uuid": "", "claimed": true});
    gui.partitioned["partitions"].as_array_mut().unwrap().push(swap);
    let said = gui.run_between(SWAP, SWAP_OFF);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    has_swap(&gui.live);
}

#[test]
fn a_swap_partition_that_nobody_has_started_is_started() {
    let storage = json!({
        "firmwareType": "efi", "rootMountPoint": "/mnt", "username": "alice",
        "partitions": [{"device": "/dev/rig-swap", "mountPoint": "", "fs": "linuxswap", "fsName": "linuxswap", "claimed": true}],
    });
    let live = Live::with_disk("2.26").iso_tree(&project().join("target/rig/trees/channel"));
    // stdin stays open as long as the installation lasts.
    live.sh(&format!(
        "{SWAP}
         nix-cfg-install --calamares install < <(echo '{storage}'; exec sleep 600); code=$?
         {SWAP_OFF}
         exit $code"
    ))
    .ok();
    has_swap(&live);
}

/// Makes /dev/rig-swap, …
const SWAP: &str = "
    truncate -s 16M /swap.img && mkswap -q -U 76543210-89ab-cdef-0123-456789abcdef /swap.img
    mknod /dev/loop-control c 10 237
    for i in 1 2 3; do
      swap=$(losetup -f | cut -d' ' -f1)
      { [ -e $swap ] || mknod $swap b 7 ${swap#/dev/loop}; } && losetup $swap /swap.img && break
    done
    ln -s $swap /dev/rig-swap";

/// … and takes it out of use: it is one of the whole host.
const SWAP_OFF: &str = "cat /proc/swaps > /swaps; swapoff $swap || code=91; losetup -d $swap";

#[track_caller]
fn has_swap(live: &Live) {
    assert!(live.read("/swaps").contains("/dev/loop"), "it was not in use");
    let hardware = live.read("/mnt/etc/nixos/hardware-configuration.nix");
    assert!(
        hardware.contains("/dev/disk/by-uuid/76543210-89ab-cdef-0123-456789abcdef"),
        "{hardware}"
    );
}

/// Takes the place of pkexec, for want of polkit: writes down what it is asked for, and does it as root in pkexec's environment.
const PKEXEC: &str = r#"#!/bin/bash
echo "$@" >> /pkexec
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SHELL=/bin/sh PKEXEC_UID=1000 /as-root --reuid 0 --regid 0 --clear-groups "$@"
"#;

#[test]
fn where_calamares_is_not_root_the_helper_is_started_by_pkexec() {
    let mut gui = Gui::new(CALAMARES, "channel").started_by_user();
    gui.storage["rootMountPoint"] = json!("/mnt");
    gui.file("pkexec", PKEXEC);
    let said = gui
        .run_between(
            "cp /usr/bin/setpriv /as-root && chmod 4755 /as-root; ln -s /calamares/pkexec /usr/local/sbin/pkexec; install -m 666 /dev/null /pkexec",
            "",
        )
        .ok();
    assert!(!said.out.contains("Installation failed"), "{}", said.out);
    assert_eq!(
        gui.live.read("/pkexec"),
        ["check", "install"]
            .map(|step| format!("/usr/local/sbin/nix-cfg-install --calamares {step}\n"))
            .concat()
    );
    let receipt = gui.live.read("/mnt/var/lib/nix-cfg-install/receipt.json");
    assert!(receipt.contains("nixos-system-channel-demo"), "{receipt}");
}

#[test]
fn a_permission_that_is_not_given_is_reported() {
    let gui = Gui::new(CALAMARES, "channel").started_by_user();
    // What pkexec ends with when the question for a password is dismissed.
    gui.file("pkexec", "#!/bin/sh\necho 'Request dismissed' >&2; exit 126\n");
    let dialog = dialog(&gui.run_between("ln -s /calamares/pkexec /usr/local/sbin/pkexec", ""));
    for text in [
        "`pkexec /usr/local/sbin/nix-cfg-install --calamares check` ended with exit code 126.",
        "Nothing was written to a disk.",
        "Request dismissed",
    ] {
        assert!(dialog.contains(text), "not said: {text}\n{dialog}");
    }
}
