"""A disk that is too small is named before anything is partitioned, and again, when it is mounted, before anything is written."""

AGENDA = """
refused() {
  local code=0
  "$@" || code=$?
  [ "$code" = 3 ]
}
yes 'what was here before' | head -c 4M | dd of="$disk" bs=1M status=none
before=$(sha256sum < "$disk")
stage "asked for the check"
refused nix-cfg-install --check --progress json
stage "Calamares asks for the check"
mkfifo /run/storage
exec 8<> /run/storage
echo '{"firmwareType":"efi"}' >&8
refused nix-cfg-install --calamares check < /run/storage
[ "$before" = "$(sha256sum < "$disk")" ]
stage "the disk is as it was"
partition_uefi
mount_uefi
refused install_system
[ "$(ls -A /mnt)" = "$(printf 'boot\\nlost+found')" ]
finish
"""
NAMED = '"code":"disk-too-small"'


def play(run):
    """The scenario."""
    disk = run.disk("180M")
    with run.live("uefi", run.iso("channel"), disk, AGENDA) as live:
        for where in ["The disk has at most", "The disk has at most", "/mnt has"]:
            live.expect(NAMED + ".*" + where, live.work)
        live.ends()
