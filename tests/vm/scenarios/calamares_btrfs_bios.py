"""BIOS and Calamares: btrfs is chosen on the page of partitions; GRUB reads its kernel from the compressed root, and it starts."""

AGENDA = """
cp -r /live/tree /tmp/nix-cfg
start_calamares
go_to $users
type_user Alice secret-words
go_to $partitions
choose_erase
choose_btrfs
click_install
"""
# Another disk, as on the machine on which the configuration was written.
GRUB = [("boot.loader.systemd-boot.enable = true;", 'boot.loader.grub.device = "/dev/vdz";')]


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", {"configuration.nix": GRUB})
    with run.live("bios", run.iso("channel"), disk, AGENDA, {"tree": tree}) as live:
        live.ends()
    with run.installed("bios", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot on the root file system")
        system.login("alice", "secret-words")
        system.says("grep ' btrfs ' /proc/mounts", r" / btrfs (?s:.*) /nix btrfs .*subvol=/nix(?s:.*) /home btrfs .*subvol=/home")
        system.says("grep fsIdentifier /etc/nixos/machine.nix", '"provided"')
        run.stage("logged in")
    run.check_bar()
