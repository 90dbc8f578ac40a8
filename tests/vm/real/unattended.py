"""A real NixOS whose ISO installs without questions: the systemd of its live system starts the countdown on the console and the installation,
which switches the machine off; the stick then has the receipt, and the disk starts."""

import json
import os
from pathlib import Path

from machine import Failed
from nixos import SLOW, NixOS, installed

ANSWERS = """
machines:
  - match: { serial: "VM 42" }
    disks: only
    after: power-off
"""


def play(run):
    """The scenario."""
    disk, stick, iso = run.disk("8G"), run.answers(ANSWERS), Path(os.environ["REAL_ISO"])
    with NixOS(run, "the ISO", "uefi", disk, iso, (stick, "VM 42")) as live:
        live.expect("The stick of the ISO is needed until the end", seconds=SLOW)
        live.expect(r"Installing or updating without questions in \d+ s. Any key stops.")
        run.stage("the countdown")
        live.expect("To be erased: /dev/disk/by-id/virtio-target", seconds=SLOW)
        live.expect(r"Installed\. The log is \S+ Switching off\.", seconds=2 * SLOW)
        run.stage("installed")
        live.off()
    receipt = json.loads(run.on_stick(stick, "receipt-VM-42.json"))
    if not receipt["system"].startswith("/nix/store/"):
        raise Failed(f"no receipt: {receipt}")
    with installed(run, "installed system", "uefi", disk) as system:
        system.says("hostname", "(?m)^server$")
