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
    # In the store, and not beside it, from where the medium itself starts.
    store = medium.find(b"hsqs")
    if (at := medium.find(part, store)) < 0:
        raise Failed("the kernel is not in the medium's store as it is")
    while at >= 0:
        medium[at] ^= 1
        at = medium.find(part, at)
    damaged = run.directory / "damaged.iso"
    damaged.write_bytes(medium)
    disk = run.disk("1500M")
    with run.live("uefi", damaged, disk, AGENDA) as live:
        live.expect('"code":"medium-damaged"', live.work)
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("No bootable option or device was found|No mapping found|Shell>")
    run.stage("nothing boots from the disk")
