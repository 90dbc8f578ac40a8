"""UEFI, LUKS: the commands of docs/by-hand.md as they are printed, and the passphrase at the console starts the machine."""

from documented import mounts

# Where its input is no terminal, cryptsetup takes the passphrase from it and asks nothing else.
AGENDA = f"""
cryptsetup() {{ printf %s "$passphrase" | command cryptsetup "$@"; }}
{mounts("docs/by-hand.md", "UEFI, LUKS, ext4")}
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
        system.expect("Passphrase for .*: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        system.says("cat /sys/block/dm-*/dm/uuid", "CRYPT-LUKS2")
        run.stage("logged in")
