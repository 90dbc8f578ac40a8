"""BIOS and Calamares: its page encrypts the root and the swap; GRUB, on the disk that was chosen there, asks for the passphrase, once."""

from machine import Failed

AGENDA = """
cp -r /live/tree /tmp/nix-cfg
start_calamares
go_to $users
type_user Alice secret-words
go_to $partitions
choose_erase
choose_swap
encrypt_with open-sesame
click_install
"""
# Another disk, as on the machine on which the configuration was written.
GRUB = [("boot.loader.systemd-boot.enable = true;", 'boot.loader.grub.device = "/dev/vdz";')]


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", {"configuration.nix": GRUB})
    with run.live("bios", run.iso("channel"), disk, AGENDA, {"tree": tree}) as live:
        live.ends()
    with run.installed("bios", disk) as system:
        system.expect("Enter passphrase for hd0,msdos1")
        run.stage("GRUB asks")
        system.send("open-sesame\r")
        system.expect("stage 1: opened luks-.*\n(?s:.*)stage 1: opened luks-.*\n")
        run.stage("the key in the initrd opened both")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot on the root file system, swap devices 1")
        if "Passphrase for" in system.console.text:
            raise Failed("the initrd asked for the passphrase once more")
        system.login("alice", "secret-words")
        # It was another one of the live system's disks.
        system.says("grep grub.devices /etc/nixos/machine.nix", '"/dev/disk/by-id/virtio-target"')
        system.says("cat /proc/swaps /sys/block/dm-*/dm/uuid", r"/dev/(?s:.*)CRYPT-LUKS2(?s:.*)CRYPT-LUKS2")
    run.check_bar()
