"""UEFI, btrfs with subvolumes: the commands of docs/by-hand.md as they are printed, and the machine starts from what they made."""

from documented import mounts

AGENDA = f"""
{mounts("docs/by-hand.md", "UEFI, btrfs with subvolumes")}
udevadm settle
install_system
finish
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("uefi", run.iso("channel"), disk, AGENDA) as live:
        live.ends()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        system.says("grep ' btrfs ' /proc/mounts", r" / btrfs .*subvol=/root(?s:.*) /nix btrfs .*subvol=/nix")
        system.says("grep ' btrfs ' /proc/mounts", r" /home btrfs .*subvol=/home")
        run.stage("logged in")
