"""UEFI and Calamares: btrfs is chosen on the page of partitions, with its subvolumes for /home and /nix; the machine starts from it."""

AGENDA = """
start_calamares
go_to $users
type_user Alice secret-words
go_to $partitions
choose_erase
choose_btrfs
click_install
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("uefi", run.iso("channel"), disk, AGENDA) as live:
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "secret-words")
        system.says("grep ' btrfs ' /proc/mounts", r" / btrfs (?s:.*) /nix btrfs .*subvol=/nix(?s:.*) /home btrfs .*subvol=/home")
        run.stage("logged in")
    run.check_bar()
