"""UEFI and Calamares: of a flake with two hosts one is chosen on the page for it, and its edited copy in /tmp/nix-cfg is installed."""

AGENDA = """
cp -r /live/flake /tmp/nix-cfg
users=4 partitions=5
start_calamares
choose_first_host
go_to $users
type_user Ada secret-words
go_to $partitions
choose_erase
click_install
"""
EDITED = {"flake.nix": [("networking.hostName = name;", 'networking.hostName = "${name}-edited";')]}


def play(run):
    """The scenario."""
    disk, flake = run.disk("3G"), run.tree("flake", EDITED)
    with run.live("uefi", run.iso("flake"), disk, AGENDA, {"flake": flake}) as live:
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: alpha-edited is up, .* /boot vfat")
        system.login("ada", "secret-words")
        run.stage("logged in with the password that was typed in Calamares")
    run.check_bar()
