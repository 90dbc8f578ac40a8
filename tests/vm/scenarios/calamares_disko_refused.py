"""Calamares, a host whose layout for disko makes the disk: its page lets nobody on who has not typed the name of a disk that is not empty; and
when what is on the disk has changed since the page showed it, the job refuses, and the disk is as it was."""

AGENDA = """
use_disk
users=4 partitions=5
start_calamares
choose_first_host
go_to $users
type_user Ada secret-words
go_to $partitions
choose_disk
for typed in '' vdd 'open sesame'; do
  [ -z "$typed" ] || confirm_disk "$typed" 'open sesame'
  for click in 1 2 3; do
    click 880 683
    sleep 0.5
  done
  [ "$(page)" = $partitions ]
  # Chosen anew, the fields are empty.
  click 202 88
  until_it field_is_at 378 141
  choose_disk
done
shot not-confirmed
confirm_disk vda 'open sesame'
e2label "$disk-part2" precious
udevadm settle
code=0
click_install || code=$?
[ $code = 1 ]
grep 'message: .*/dev/disk/by-id/virtio-target is not as the page' /results/calamares.log
[ "$(blkid -o value -s LABEL "$disk-part2")" = precious ]
stage "the disk is as it was"
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("uefi", run.iso("disko"), disk, AGENDA) as live:
        live.ends()
