"""Without questions, on a machine that the answers file has no entry for: it says by what names it is known, and writes nothing. A key
stops the countdown before it."""

from machine import PATIENCE, Failed

ANSWERS = """
machines:
  - match: { serial: "OTHER" }
    disks: largest
"""


def play(run):
    """The scenario."""
    disk, stick = run.disk("3G"), run.answers(ANSWERS)
    with run.unattended("uefi", disk, stick, "VM 42") as live:
        live.send(" ")
        live.expect("Stopped. To go on: sudo nix-cfg-install --answers")
        live.expect("bash-.*# ")
        live.shuts_down()
    run.stage("stopped by a key")
    with run.unattended("uefi", disk, stick, "VM 42") as live:
        live.expect("has no entry for this machine", seconds=PATIENCE)
        live.expect(r'This\s+machine\s+has:\s+serial:\s+"VM\s+42"')
        live.expect("bash-.*# ")
        live.shuts_down()
    with disk.open("rb") as contents:
        while block := contents.read(1 << 24):
            if any(block):
                raise Failed("the disk was written")
    if "has no entry for this machine" not in run.on_stick(stick, "log-VM-42.txt"):
        raise Failed("the log on the stick does not say why")
