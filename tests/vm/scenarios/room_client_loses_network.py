"""A room whose server gets its stick late. A machine loses the network in the middle of the copy: it says so, and goes on when the network
is back. A machine that the answers file has no entry for says by what names it is known, and its disk is not written."""

from machine import Failed
from room import LONG, Room


def play(run):
    """The scenario."""
    room = Room(run, {"known": "uefi"})
    with room.server("server", late=True) as server:
        with room.client("stranger", "bios") as stranger:
            room.begins(stranger)
            stranger.expect("has no entry for this machine", seconds=LONG)
            stranger.expect(r'This\s+machine\s+has:\s+serial:\s+"stranger"')
            stranger.expect("bash-.*# ", seconds=LONG)
        # A sparse file: nothing was ever written to it.
        if (run.directory / "stranger.img").stat().st_blocks:
            raise Failed("the disk was written")
        run.stage("stranger: said so, and wrote nothing")
        with room.client("known") as client:
            room.begins(client)
            room.copies(server)
            client.tells("set_link room off")
            client.expect(r"http://10\.213\.0\.1 no longer answers", seconds=LONG)
            run.stage("known: the network is gone")
            client.tells("set_link room on")
            client.expect(r"http://10\.213\.0\.1 answers again", seconds=LONG)
            room.installs(client)
