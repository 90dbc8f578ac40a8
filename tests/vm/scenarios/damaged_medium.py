"""One flipped bit in the kernel that is on the medium: the medium is named as damaged, and no half system boots."""

from machine import CACHE, Failed

AGENDA = """
partition_uefi
mount_uefi
code=0
install_system || code=$?
[ "$code" = 6 ]
[ ! -e /mnt/nix/var/nix/profiles/system ]
finish
"""


def play(run):
    """The scenario."""
    kernel = (CACHE / "vm-machine/linux-6.6.32/bzImage").read_bytes()
    medium = bytearray(run.iso("channel").read_bytes())
    middle = len(kernel) // 2
    # A kernel is compressed, and so stored as it is: no check sum of zstd's stands between.
    part = kernel[middle : middle + 64]
    if part not in medium:
        raise Failed("the kernel is not on the medium as it is")
    # Once in the store, and once beside it for the medium's own boot.
    while (at := medium.find(part)) >= 0:
        medium[at] ^= 1
    damaged = run.folder / "damaged.iso"
    damaged.write_bytes(medium)
    disk = run.disk("1500M")
    with run.live("uefi", damaged, disk, AGENDA) as live:
        live.expect('"code":"medium-damaged"', live.work)
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("No bootable option or device was found|No mapping found|Shell>")
    run.stage("nothing boots from the disk")
