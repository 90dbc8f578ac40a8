"""A power cut in the middle of the copy: the live system is booted again, the same command finishes, the result boots."""

FIRST = """
partition_uefi
mount_uefi
install_system
"""
AGAIN = """
mount_uefi
ls -d /mnt/nix/store/* | wc -l
install_system
finish
"""


def play(run):
    """The scenario."""
    disk, iso = run.disk("1500M"), run.iso("channel")
    with run.live("uefi", iso, disk, FIRST) as live:
        live.expect(r'"phase":"copy","fraction":[\d.]+,"done":[5-9]\d{7},', live.work)
        live.kill()
    run.stage("power cut")
    run.events.clear()
    with run.live("uefi", iso, disk, AGAIN) as live:
        live.ends()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
