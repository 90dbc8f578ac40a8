"""A real NixOS from its own ISO on a stick, as the README says; started from its disk, changed, and rebuilt without a network."""

import os
from pathlib import Path

from documented import mounts
from nixos import NixOS

CHANGE = 's/hostName = "server"/hostName = "renamed"/; s/ pkgs.htop / /'


def play(run):
    """The scenario."""
    disk = run.disk("8G")
    with NixOS(run, "the ISO", "uefi", disk, Path(os.environ["REAL_ISO"])) as live:
        live.live()
        live.all_started()
        # Debian's mount does not know what has just been made.
        typed = {"/dev/vda2": "mount -t ext4 ", "/dev/vda1": "mount -t vfat "}
        for line in mounts("README.md", "By hand").splitlines():
            partition = next((name for name in typed if name in line), "")
            live.does_all(line.replace("mount ", typed.get(partition, "mount ")))
        live.checks_and_installs()
    starts(run, disk)


def starts(run, disk):
    """The machine with its disk alone."""
    with NixOS(run, "installed system", "uefi", disk) as system:
        system.enter("root", "demo")
        system.all_started()
        system.says("nixos-version", r"^26\.")
        system.says("hostname", "(?m)^server$")
        system.says("which htop", "/run/current-system/sw/bin/htop")
        system.says("nix-collect-garbage", "store paths deleted")
        system.does(f"sed -i '{CHANGE}' /etc/nixos/configuration.nix")
        run.stage("rebuilds")
        system.keep("nixos-rebuild boot --option substitute false 2>&1", "nixos-rebuild.log")
        run.stage("rebuilt")
        system.says("sort -u /boot/loader/entries/*.conf", r"version Generation 1 (?s:.*)version Generation 2 ")
        system.shuts_down()
    with NixOS(run, "second generation", "uefi", disk) as system:
        system.enter("root", "demo")
        system.all_started()
        system.says("hostname", "(?m)^renamed$")
        system.says("which htop || echo there is none", "there is none")
        system.says("readlink /nix/var/nix/profiles/system", "system-2-link")
        system.shuts_down()
