"""UEFI, by hand: the ISO starts from a stick, one types what the NixOS manual and the README say, and the disk boots alone."""

COMMANDS = """
parted -s /dev/vda -- mklabel gpt mkpart ESP fat32 1MiB 128MiB set 1 esp on mkpart root ext4 128MiB 100%
mkfs.vfat -F 32 /dev/vda1
mkfs.ext4 -q /dev/vda2
mount --mkdir /dev/vda2 /mnt
mount --mkdir -o umask=0077 /dev/vda1 /mnt/boot
"""


def play(run):
    """The scenario."""
    disk = run.disk("1500M")
    with run.medium("uefi", run.iso("channel"), disk, stick=True) as live:
        live.does_all(COMMANDS)
        live.installs("nix-cfg-install")
        live.shuts_down()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        system.says("findmnt / || grep ' / ' /proc/mounts", "ext4")
        system.says("cat /etc/motd", "Installed from your own configuration")
        run.stage("logged in")
