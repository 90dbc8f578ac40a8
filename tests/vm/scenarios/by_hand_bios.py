"""BIOS, by hand, a flake from /tmp/nix-cfg before the ISO's configuration: GRUB starts the host that was asked for."""

AGENDA = """
cp -r /live/flake /tmp/nix-cfg
partition_bios
mount_bios
install_system --host beta
finish
"""
GRUB = 'boot.loader.grub.device = "/dev/disk/by-id/virtio-target";'


def play(run):
    """The scenario."""
    flake = run.tree("flake", {"hosts/beta/default.nix": [("boot.loader.systemd-boot.enable = true;", GRUB)]})
    disk = run.disk("1500M")
    with run.live("bios", run.iso("flake"), disk, AGENDA, {"flake": flake}) as live:
        live.ends()
    run.check_progress()
    with run.installed("bios", disk) as system:
        system.expect("MiniNixOS 24.05.*: beta is up, .* /boot on the root file system")
        system.login("bert", "demo")
        system.says("ls -d /sys/firmware/efi", "No such file")
        run.stage("logged in")
