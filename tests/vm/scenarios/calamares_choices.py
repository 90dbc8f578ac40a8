"""UEFI and Calamares: a configuration of one's own that leaves its zone, its keyboard and its name open has what was chosen, in choices.nix."""

AGENDA = """
cp -r /live/open /tmp/nix-cfg
start_calamares
go_to 1
choose_berlin
go_to 2
choose_german
go_to $users
type_user Alice secret-words
go_to $partitions
choose_erase
click_install
"""
OPEN = {"configuration.nix": [('networking.hostName = "channel-demo";', ""), ('time.timeZone = "Europe/Lisbon";', "")]}


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", OPEN)
    with run.live("uefi", run.iso("channel"), disk, AGENDA, {"open": tree}) as live:
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: nixos is up, .* /boot vfat")
        system.login("alice", "secret-words")
        system.says("cat /etc/timezone /etc/vconsole.conf", "Europe/Berlin\nKEYMAP=de")
        system.says("cat /etc/locale.conf", "LC_TIME=de_DE.UTF-8")
        system.says("grep -c mkDefault /etc/nixos/choices.nix", "[3-9]")
        run.stage("all that was chosen is there")
    run.check_bar()
