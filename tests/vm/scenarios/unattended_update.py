"""Without questions, by UEFI: a machine that an earlier ISO has installed is started from the next one, whose answers file says
`mode: update`. It starts into the new system, which is on trial and found good, with its data and the password that was set on it; the
ISO that is started once more does nothing."""

import json
import shutil
import subprocess

from machine import PATIENCE, PROJECT, Failed
from scenarios.update import FIRST, SECOND_ON_TRIAL, next_iso

INSTALL = """
machines:
  - match: all
    disks: only
    after: power-off
"""
UPDATE = """
machines:
  - match: { serial: "VM 42" }
    mode: update
    after: power-off
"""


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", {"configuration.nix": [FIRST]})
    first = next_iso(run, tree, "first", [], "unattended")
    with run.unattended("uefi", disk, run.answers(INSTALL), "VM 42", first) as live:
        live.expect("Installed. The log is .* Switching off.", seconds=4 * PATIENCE)
        live.off()
    run.stage("installed")
    changed = subprocess.run(["openssl", "passwd", "-6", "changed"], check=True, capture_output=True, text=True).stdout.strip()
    with run.installed("uefi", disk) as system:
        system.login("root", "demo")
        system.does("stty rows 50 cols 500; echo kept > /var/kept; echo kept > /home/alice/kept")
        system.does(f"sed -i 's,^alice:[^:]*:,alice:{changed}:,' /etc/shadow; sync")
        system.send("umount /boot; reboot -f\n")
        system.off()
    shutil.copy(PROJECT / "nix/health-check.nix", tree)
    second, stick = next_iso(run, tree, "second", SECOND_ON_TRIAL, "unattended"), run.answers(UPDATE, name="update")
    with run.unattended("uefi", disk, stick, "VM 42", second) as live:
        live.expect(r"To be updated: /dev/vda .*: channel-demo, installed on 20")
        live.expect("Updated. The log is .* Switching off.", seconds=4 * PATIENCE)
        live.off()
    run.stage("updated")
    receipt = json.loads(run.on_stick(stick, "receipt-VM-42.json"))
    if receipt["identity"]["host_name"] != "channel-demo":
        raise Failed(f"no receipt: {receipt}")
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat[^\\n]*\nthis generation is good")
        system.login("alice", "changed")
        system.says("cat /etc/second /var/kept /home/alice/kept", r"from the second ISO\s*kept\s+kept")
        system.says("readlink /nix/var/nix/profiles/system", "system-2-link")
        run.stage("the second generation is good")
    with run.installed("uefi", disk) as system:
        system.login("root", "demo")
        system.says("ls /boot/loader/entries | cat", r"nixos-generation-1\.conf\s+nixos-generation-2\.conf")
        system.says("ls -d /etc/nixos.before-*", "before-")
        system.says("nix-store --verify --check-contents && echo store is whole", "(?m)^store is whole")
        system.send("sync; umount /boot; reboot -f\n")
        system.off()
    with run.unattended("uefi", disk, stick, "VM 42", second) as live:
        live.expect("has a system from this ISO already")
        live.kill()
