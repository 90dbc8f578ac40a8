"""A disk that goes away and comes back while the installer asks whether it may be erased is another one: the answer is not for it, and nothing
is written."""

AGENDA = """
mkfs.ext4 -q -L precious "$disk"
udevadm settle
mkfifo /run/keys
exec 9<> /run/keys
python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' nix-cfg-install --host beta \\
  --disko wipe --disk main=$disk --progress plain < /run/keys > /results/asked.log 2>&1 &
asking=$!
until grep -q 'Type yes to go on' /results/asked.log; do
  kill -0 $asking
  sleep 0.2
done
stage "asked"
slot=$(readlink -f "/sys/block/$(basename "$(readlink -f "$disk")")/device/..")
echo 1 > "$slot/remove"
udevadm settle
[ ! -e "$disk" ]
echo 1 > /sys/bus/pci/rescan
until [ -e "$disk" ]; do sleep 0.2; done
stage "the disk was taken out and put in"
echo yes >&9
code=0
wait $asking || code=$?
tail -n 12 /results/asked.log
[ $code = 3 ]
[ "$(blkid -o value -s LABEL "$disk")" = precious ]
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("bios", run.iso("disko"), disk, AGENDA) as live:
        live.ends()
