"""UEFI and Calamares: the real pages and jobs install the channel configuration of the ISO; the GUI's password logs in."""

AGENDA = """
start_calamares
go_to $users
type_user Alice secret-words
go_to $partitions
choose_erase
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
        run.stage("logged in with the password that was typed in Calamares")
    run.check_bar()
