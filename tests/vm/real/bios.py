"""A real NixOS from the ISO of a flake, by a BIOS: of its two hosts the one with GRUB, whose disk is made by `--disko`: btrfs in LUKS."""

import os
from pathlib import Path

from nixos import NixOS, installed, is_second_generation, rebuilds

PASSPHRASE = "open sesame"
OPTIONS = "--host beta --disko wipe --disk main=/dev/vda --passphrase-file /root/passphrase"
CHANGE = "sed -i 's/ pkgs.htop / /' /etc/nixos/common.nix"


def play(run):
    """The scenario."""
    disk = run.disk("8G")
    with NixOS(run, "the ISO", "bios", disk, Path(os.environ["REAL_ISO"])) as live:
        live.live()
        live.all_started()
        live.does(f"echo {PASSPHRASE} > /root/passphrase")
        live.checks_and_installs(OPTIONS, "--yes", "beta/{hardware-configuration,machine}.nix")
    with installed(run, "installed system", "bios", disk, PASSPHRASE) as system:
        system.says("hostname", "(?m)^beta$")
        system.says("ls -d /sys/firmware/efi", "No such file")
        system.says("findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS /", r"/dev/mapper/crypted\[/root\] +btrfs .*compress=zstd")
        # The layout names another machine's disk.
        system.says("cat /etc/nixos/beta/machine.nix", r'main\.device = lib\.mkForce "/dev/disk/by-id/virtio-target"')
        rebuilds(system, CHANGE, "grep -o 'Configuration [0-9]*' /boot/grub/grub.cfg", r"Configuration 2(?s:.*)Configuration 1")
    with installed(run, "second generation", "bios", disk, PASSPHRASE) as system:
        is_second_generation(system)
