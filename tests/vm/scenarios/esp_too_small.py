"""An EFI system partition that other files have filled is refused before anything is written, with both sizes; without them it will do."""

AGENDA = """
refused() {
  local code=0
  "$@" || code=$?
  [ "$code" = 3 ]
}
partition_uefi
mount_uefi
mkdir -p /mnt/boot/EFI/other
free=$(df --output=avail -B 1M /mnt/boot | tail -n 1)
head -c $((free - 5))M /dev/zero > /mnt/boot/EFI/other/firmware.img
before=$(find /mnt | sort)
refused install_system
[ "$before" = "$(find /mnt | sort)" ]
stage "the disk is as it was"
rm -r /mnt/boot/EFI/other
nix-cfg-install --check --progress json
finish
"""


def play(run):
    """The scenario."""
    disk = run.disk("2G")
    with run.live("uefi", run.iso("channel"), disk, AGENDA) as live:
        named = '"code":"boot-partition-full".*take (at least )?[0-9.]+ MB, and [0-9.]+ MB are free'
        live.expect(named, live.work)
        live.expect("Nothing was written to the target", live.work)
        live.expect("The configuration can be installed", live.work)
        live.ends()
