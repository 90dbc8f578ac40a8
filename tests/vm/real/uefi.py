"""A real NixOS from its own ISO on a stick, as the README says; started from its disk, changed, and rebuilt without a network."""

import os
from pathlib import Path

from documented import mounts
from nixos import NixOS, installed, is_second_generation, rebuilds

CHANGE = """sed -i 's/hostName = "server"/hostName = "renamed"/; s/ pkgs.htop / /' /etc/nixos/configuration.nix"""


def play(run):
    """The scenario."""
    disk = run.disk("8G")
    with NixOS(run, "the ISO", "uefi", disk, Path(os.environ["REAL_ISO"])) as live:
        live.live()
        live.all_started()
        live.does_all(mounts("README.md", "By hand"))
        live.checks_and_installs()
    with installed(run, "installed system", "uefi", disk) as system:
        system.says("hostname", "(?m)^server$")
        rebuilds(system, CHANGE, "sort -u /boot/loader/entries/*.conf", r"version Generation 1 (?s:.*)version Generation 2 ")
    with installed(run, "second generation", "uefi", disk) as system:
        system.says("hostname", "(?m)^renamed$")
        is_second_generation(system)
