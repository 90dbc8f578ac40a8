"""UEFI, by hand: partitioned and mounted as in the manual, one command, and the machine boots from its disk alone."""

AGENDA = """
partition_uefi
mount_uefi
install_system
finish
"""


def play(run):
    """The scenario."""
    disk = run.disk("1500M")
    with run.live("uefi", run.iso("channel"), disk, AGENDA) as live:
        live.expect("network devices: \n", live.work)
        live.ends()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        system.says("findmnt / || grep ' / ' /proc/mounts", "ext4")
        system.says("cat /etc/motd", "Installed from your own configuration")
        run.stage("logged in")
