"""UEFI, by hand: the ISO starts from a stick, one types what the README says, and the disk boots alone."""

from documented import mounts


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.medium("uefi", run.iso("channel"), disk, stick="scsi") as live:
        live.does_all(mounts("README.md", "By hand"))
        live.does("nix-cfg-install --check --progress json > /dev/null")
        live.installs("nix-cfg-install")
        live.shuts_down()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        system.says("findmnt / || grep ' / ' /proc/mounts", "ext4")
        system.says("cat /etc/motd", "Installed from your own configuration")
        run.stage("logged in")
