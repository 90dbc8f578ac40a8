"""Without questions, by UEFI onto a layout for disko (LUKS, btrfs): the power fails at six moments between the first partition and the end,
and after each the same command in the next start leads to the same system."""

import difflib
import os
import signal
import subprocess
import time

from machine import EmulatorPanic, Failed

MOMENTS = 6
ANSWERS = """
machines:
  - match: all
    host: alpha
    disks: { main: /dev/disk/by-id/virtio-target }
    passphrase: { file: passphrase }
"""
# Everything that an installation makes, without logs and times; of the store, what Nix verified. A system that is marked as installed is
# not mounted.
AGENDA = r"""
code=0
install_system --answers /live/answers.yaml || code=$?
if [ $code = 3 ]; then
  grep -r 'has a system from this ISO already' /results/log
  cryptsetup open --key-file /live/passphrase /dev/disk/by-partlabel/disk-main-root crypted
  mount -o subvol=root /dev/mapper/crypted /mnt
  mount -o subvol=nix /dev/mapper/crypted /mnt/nix
  mount -o subvol=home /dev/mapper/crypted /mnt/home
  mount /dev/disk/by-partlabel/disk-main-esp /mnt/boot
else
  [ $code = 0 ]
fi
grep -rh -o 'Continuing on' /results/log > /results/continued || true
nix-store --store /mnt --verify --check-contents
cd /mnt
{
  nix-store --store /mnt -qR /mnt/nix/var/nix/profiles/system
  find . home boot -xdev ! -path './var/log/*' ! -path './var/lib/nix-cfg-install/*' -printf '%p %y %m %u:%g %l\n'
  find . home boot -xdev ! -path './var/log/*' ! -path './var/lib/nix-cfg-install/*' -type f -exec sha256sum {} +
} | sort > /results/end
cd /
finish
"""


def copies(run, live, disk):
    """Copies of the disk as power cuts would have left it, from the first partition until the system is installed."""
    live.expect('"phase":"partition"', live.work)
    first = run.progress()[-1][1]
    made = []
    for index in range(MOMENTS):
        at = first + (1 - first) * index / MOMENTS
        while run.progress()[-1][1] < at:
            if not live.work.open:
                raise Failed(f"it did not come to {at:.2f}: {live.tail(live.work)}")
            time.sleep(0.1)
        copy = run.directory / f"cut-{index}.img"
        os.kill(live.process.pid, signal.SIGSTOP)
        subprocess.run(["cp", "--sparse=always", disk, copy], check=True)
        os.kill(live.process.pid, signal.SIGCONT)
        run.stage(f"{copy.stem}: at {at:.2f} of the bar")
        made.append(copy)
    return made


def shown(run) -> str:
    """What was on the disk in the end."""
    return (run.directory / "results/end").read_text()


def goes_on(run, start, cut) -> bool:
    """The next start, and whether it continued. A panic of the emulator is one more power cut."""
    for _ in range(3):
        try:
            with start(cut) as live:
                live.ends()
            return bool((run.directory / "results/continued").read_text())
        except EmulatorPanic:
            run.stage(f"{cut.stem}: the emulator's panic")
    raise Failed(f"{cut.stem}: the emulator's kernel died three times")


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    files = {name: run.directory / name for name in ("answers.yaml", "passphrase")}
    files["answers.yaml"].write_text(ANSWERS)
    files["passphrase"].write_text("open sesame\n")

    def started(disk):
        return run.live("uefi", run.iso("disko"), disk, AGENDA, files)

    with started(disk) as live:
        cuts = copies(run, live, disk)
        live.ends()
    expected, continued = shown(run), 0
    for cut in cuts:
        is_continued = goes_on(run, started, cut)
        continued += is_continued
        run.stage(f"{cut.stem}: {'continued' if is_continued else 'made anew, or done'}")
        cut.unlink()
        if shown(run) != expected:
            lines = [text.splitlines() for text in (expected, shown(run))]
            raise Failed("\n".join(difflib.unified_diff(*lines, "undisturbed", cut.stem, lineterm="")))
    # Neither always from the beginning, nor never.
    if not MOMENTS / 4 < continued < MOMENTS:
        raise Failed(f"{continued} of {MOMENTS} runs were continued")
    with run.installed("uefi", disk) as system:
        system.expect("Passphrase for /dev/disk/by-partlabel/disk-main-root: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: alpha is up, .* /boot vfat")
