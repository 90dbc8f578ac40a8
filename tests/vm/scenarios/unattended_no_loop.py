"""Without questions, by a BIOS: the power fails in the middle, the next start goes on, and the one after it, with the stick still in the
machine, installs nothing."""

from machine import PATIENCE, Failed

ANSWERS = """
machines:
  - match: all
    disks: only
    after: reboot
"""
GRUB = ("boot.loader.systemd-boot.enable = true;", 'boot.loader.grub.device = "/dev/nowhere";')
COMMAND = "cp -r /live/tree /tmp/nix-cfg; nix-cfg-install --answers --progress json > /dev/ttyS1\n"


def play(run):
    """The scenario."""
    disk, stick = run.disk("3G"), run.answers(ANSWERS)
    tree = run.tree("channel", {"configuration.nix": [GRUB]})
    files = run.archive({"tree": tree})

    def started():
        live = run.medium("bios", run.iso("channel"), disk, (stick, "answers", False), (files, "files", True), stick="scsi")
        live.does("tar -xf /dev/vdc -C /")
        return live

    with started() as live:
        live.send(COMMAND)
        live.expect(r'"phase":"copy","fraction":[\d.]+,"done":[5-9]\d{7},', live.work, 3 * PATIENCE)
        live.kill()
    run.stage("power cut")
    run.events.clear()
    with started() as live:
        live.send(COMMAND)
        live.off(3 * PATIENCE)
    run.check_progress()
    with started() as live:
        text, code = live.types("nix-cfg-install --answers --progress plain")
        if code != 3 or "has a system from this ISO already" not in text:
            raise Failed(f"it ended with {code} and said {text}")
        live.shuts_down()
    with run.installed("bios", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot on the root file system")
        system.login("alice", "demo")
        run.stage("logged in")
