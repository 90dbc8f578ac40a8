"""Calamares, and a disk that is too small for this very configuration: its first page says so, and lets nobody on."""

AGENDA = """
start_calamares
grep 'requirement .* "storage" satisfied? false mandatory? true' /results/calamares.log
for click in 1 2 3 4 5; do
  click 880 683
  sleep 0.5
done
shot refused
[ "$(page)" = 0 ]
"""


def play(run):
    """The scenario."""
    with run.live("uefi", run.iso("channel"), run.disk("1000M"), AGENDA) as live:
        live.ends()
