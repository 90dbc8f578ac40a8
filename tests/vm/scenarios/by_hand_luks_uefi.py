"""UEFI, the root and the swap encrypted, as Calamares leaves them: one passphrase at the console starts the machine."""

AGENDA = """
parted -s "$disk" -- mklabel gpt mkpart ESP fat32 1MiB 128MiB set 1 esp on mkpart root 128MiB -128MiB mkpart swap -128MiB 100%
udevadm settle
mkfs.vfat -F 32 "$disk-part1" > /dev/null
encrypted_root_and_swap "$disk-part2" "$disk-part3"
mkdir /mnt/boot
mount "$disk-part1" /mnt/boot
install_as_calamares '"firmwareType":"efi","bootLoader":null'
finish
"""


def play(run):
    """The scenario."""
    disk = run.disk("1600M")
    with run.live("uefi", run.iso("channel"), disk, AGENDA) as live:
        live.ends()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("Passphrase for .*: $")
        system.send("open barley\n")
        system.expect("No key available")
        system.expect("Passphrase for .*: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat, swap devices 1")
        run.stage("the passphrase opened both")
        system.login("alice", "demo")
        system.says("cat /sys/block/dm-*/dm/uuid", r"CRYPT-LUKS2(?s:.*)CRYPT-LUKS2")
        system.says("cat /proc/swaps", "/dev/dm-")
