"""BIOS, by hand: the ISO starts from a stick, its flake is changed in /tmp/nix-cfg, and GRUB starts the host that was asked for."""

from documented import mounts

COMMANDS = rf"""
cp -r /iso/nix-cfg /tmp/
chmod -R u+w /tmp/nix-cfg
sed -i 's|boot.loader.systemd-boot.enable = true;|boot.loader.grub.device = "/dev/vda";|' /tmp/nix-cfg/hosts/beta/default.nix
{mounts("docs/by-hand.md", "BIOS, ext4")}
nix-cfg-install --host beta --check
"""


def play(run):
    """The scenario."""
    disk = run.disk("1500M")
    with run.medium("bios", run.iso("flake"), disk, stick="scsi") as live:
        live.does_all(COMMANDS)
        live.installs("nix-cfg-install --host beta")
        live.shuts_down()
    run.check_progress()
    with run.installed("bios", disk) as system:
        system.expect("MiniNixOS 24.05.*: beta is up, .* /boot on the root file system")
        system.login("bert", "demo")
        system.says("ls -d /sys/firmware/efi", "No such file")
        run.stage("logged in")
