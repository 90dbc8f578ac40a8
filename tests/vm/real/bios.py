"""A real NixOS from the ISO of a flake, by a BIOS: of its two hosts the one with GRUB, whose disk disko lays out: btrfs in LUKS."""

import os
from pathlib import Path

from nixos import SLOW, NixOS, installed, is_second_generation, rebuilds

PASSPHRASE = "open sesame"
ANSWERS = {"Type 'yes' to continue": "yes", "Enter password for [^\n]*: $": PASSPHRASE, "again to be safe: $": PASSPHRASE}
CHANGE = "sed -i 's/ pkgs.htop / /' /etc/nixos/common.nix"


def play(run):
    """The scenario."""
    disk = run.disk("8G")
    with NixOS(run, "the ISO", "bios", disk, Path(os.environ["REAL_ISO"])) as live:
        live.live()
        live.all_started()
        live.does("disko-destroy-format-mount", SLOW, ANSWERS)
        run.stage("disko-destroy-format-mount")
        live.keep("findmnt --real --output TARGET,SOURCE,FSTYPE,OPTIONS", "mounts")
        live.checks_and_installs("--host beta", "beta/hardware-configuration.nix")
    with installed(run, "installed system", "bios", disk, PASSPHRASE) as system:
        system.says("hostname", "(?m)^beta$")
        system.says("ls -d /sys/firmware/efi", "No such file")
        system.says("findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS /", r"/dev/mapper/crypted\[/root\] +btrfs .*compress=zstd")
        rebuilds(system, CHANGE, "grep -o 'Configuration [0-9]*' /boot/grub/grub.cfg", r"Configuration 2(?s:.*)Configuration 1")
    with installed(run, "second generation", "bios", disk, PASSPHRASE) as system:
        is_second_generation(system)
