"""Without questions, by UEFI, and with nothing typed, where the stick with the answers is inserted late: the ISO's own menu entry installs on
an empty disk what the entry for this machine's serial number says, puts the receipt on the stick with the answers, and switches the machine
off."""

import json

from machine import PATIENCE, Failed

ANSWERS = """
machines:
  - match: { serial: "OTHER" }
    host: nowhere
  - match: { serial: "VM 42" }
    disks: only
    set: { timezone: Europe/Berlin }
    after: power-off
"""


def play(run):
    """The scenario."""
    disk, stick = run.disk("3G"), run.answers(ANSWERS)
    with run.unattended("uefi", disk, stick, "VM 42", late=True) as live:
        live.expect("Installed. The log is .* Switching off.", seconds=4 * PATIENCE)
        run.stage("installed")
        live.off()
    receipt = json.loads(run.on_stick(stick, "receipt-VM-42.json"))
    if not receipt["system"].startswith("/nix/store/"):
        raise Failed(f"no receipt: {receipt}")
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        run.stage("logged in")
