"""BIOS, the root with its /boot and the swap encrypted, as Calamares leaves them: GRUB asks for the passphrase, once."""

from machine import Failed

AGENDA = """
parted -s "$disk" -- mklabel msdos mkpart primary 1MiB -128MiB set 1 boot on mkpart primary -128MiB 100%
udevadm settle
encrypted_root_and_swap "$disk-part1" "$disk-part2"
install_as_calamares '"firmwareType":"bios","bootLoader":{"installPath":"'$disk'"}'
finish
"""
# Another disk, as on the machine on which the configuration was written.
GRUB = [("boot.loader.systemd-boot.enable = true;", 'boot.loader.grub.device = "/dev/vdz";')]


def play(run):
    """The scenario."""
    tree = run.tree("channel", {"configuration.nix": GRUB})
    disk = run.disk("1600M")
    with run.live("bios", run.iso("channel"), disk, "cp -r /live/tree /tmp/nix-cfg\n" + AGENDA, {"tree": tree}) as live:
        live.ends()
    run.check_progress()
    with run.installed("bios", disk) as system:
        system.expect("Enter passphrase for hd0,msdos1")
        run.stage("GRUB asks")
        system.send("open sesame\r")
        system.expect("stage 1: opened luks-.*\n(?s:.*)stage 1: opened luks-.*\n")
        run.stage("the key in the initrd opened both")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot on the root file system, swap devices 1")
        if "Passphrase for" in system.console.text:
            raise Failed("the initrd asked for the passphrase once more")
        system.login("alice", "demo")
        system.says("cat /sys/block/dm-*/dm/uuid", r"CRYPT-LUKS2(?s:.*)CRYPT-LUKS2")
        for secret in ["/etc/secrets/initrd/luks.key", "/boot/grub/kernels/initrd"]:
            system.says(f"head -c 1 {secret}", "Permission denied")
