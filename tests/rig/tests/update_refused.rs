//! What `nix-cfg-install update` refuses before anything is written.

use rig::two_isos::{FIRST, SECOND, UPDATE, iso_of_beta, machine, machine_with, state};

#[test]
fn what_cannot_be_updated_or_updated_from_is_named() {
    let machine = machine();
    let update = "nix-cfg-install update --progress plain";
    for (script, code, texts) in [
        (format!("{update} --from /nowhere"), 3, &["/nowhere does not exist"][..]),
        (
            format!("{update} --from /etc"),
            3,
            &["/etc is no ISO that a machine can be updated from"],
        ),
        (
            format!("head -c 100000 /dev/zero > /run/zeros; {update} --from /run/zeros"),
            3,
            &["/run/zeros is no ISO"],
        ),
        (
            format!("{UPDATE} --host gamma"),
            3,
            &["gamma", "alpha", "Nothing was written"],
        ),
        (
            format!("{UPDATE} --older --switch --dry-run"),
            2,
            &["cannot be used with"],
        ),
        (format!("{update} --target /mnt"), 2, &["unexpected argument"]),
        (
            format!("chroot --userspec=65534:65534 / {UPDATE}"),
            10,
            &["This has to be run as root"],
        ),
        (
            format!(
                "sed -i 's/\"host_name\": \"alpha\"/\"host_name\": \"delta\"/; s/\"host\": \"alpha\"/\"host\": null/' /var/lib/nix-cfg-install/receipt.json; echo alpha > /proc/sys/kernel/hostname; {UPDATE}"
            ),
            3,
            &["The ISO's system is that of alpha, and this machine is delta"],
        ),
        (
            format!("mv /var/lib/nix-cfg-install/receipt.json /root/; {UPDATE}"),
            3,
            &["was not installed by nix-cfg-install"],
        ),
        (
            format!("echo '{{' > /var/lib/nix-cfg-install/receipt.json; {UPDATE}"),
            3,
            &["receipt.json cannot be read"],
        ),
    ] {
        machine.sh(&script).fails(code, texts);
    }
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn what_is_damaged_or_cannot_be_written_or_kept_is_named_before_anything_is_written() {
    let machine = machine();
    let update = "timeout 100 nix-cfg-install update --progress plain --from";
    let placement = "/var/lib/nix-cfg-install/placement.json";
    for (script, texts) in [
        (
            format!("mkfifo /run/pipe; {update} /run/pipe"),
            &["/run/pipe is no ISO"][..],
        ),
        (
            format!(
                "mkdir /run/cut; ln -s /run/media/2/* /run/cut/; rm /run/cut/nix-store.squashfs
                 head -c 1000000 /run/media/2/nix-store.squashfs > /run/cut/nix-store.squashfs; {update} /run/cut"
            ),
            &[
                "The installation medium is damaged",
                "nix-store.squashfs cannot be read",
            ],
        ),
        (
            format!(
                "mv {placement} /root/; echo '{{' > {placement}; {UPDATE}; code=$?; mv /root/placement.json {placement}; exit $code"
            ),
            &["/placement.json is damaged", "nixos-rebuild"],
        ),
        (
            format!(
                "truncate -s 64M /root/esp.img && mke2fs -q /root/esp.img && cp -a /boot /run/boot && mount -o loop /root/esp.img /boot || exit 30
                 cp -a /run/boot/. /boot/ && mount -o remount,ro /boot && cp /etc/fstab /run/fstab && rm /etc/fstab || exit 31
                 echo '/dev/disk/by-label/boot /boot ext2 defaults 0 0' | cat /run/fstab - > /etc/fstab
                 {UPDATE}; code=$?; cp /run/fstab /etc/fstab; umount /boot; exit $code"
            ),
            &["The file system is read-only: /boot"],
        ),
        (
            format!("mount -o remount,ro / || exit 30; {UPDATE}; code=$?; mount -o remount,rw /; exit $code"),
            &["The file system at / is mounted read-only", "mount -o remount,rw /"],
        ),
        (
            format!(
                "echo x > $'/etc/nixos/caf\\xe9.nix'; {UPDATE} --take mine; code=$?; rm /etc/nixos/caf*; exit $code"
            ),
            &["in /etc/nixos cannot be kept", "ls -b"],
        ),
    ] {
        machine.sh(&script).fails(3, texts);
    }
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn the_iso_of_another_host_is_refused() {
    let machine = machine_with(&[&iso_of_beta()]);
    let update = "nix-cfg-install update --progress plain --from /run/media/3";
    machine.sh(update).fails(3, &["alpha", "beta", "Nothing was written"]);
    assert_eq!(state(&machine), FIRST);
}

#[test]
fn an_older_system_and_a_lower_state_version_are_refused() {
    let machine = machine();
    let older =
        "sed -i 's/\"state_version\": \"[^\"]*\"/\"state_version\": \"99.05\"/' /var/lib/nix-cfg-install/receipt.json";
    machine.sh(&format!("{older}; {UPDATE}")).fails(
        3,
        &["`system.stateVersion` is 24.05, and that of this machine is 99.05"],
    );
    assert_eq!(state(&machine), FIRST);
    machine.sh(&format!("{UPDATE} --older")).ok();
    assert_eq!(state(&machine), SECOND);
}
