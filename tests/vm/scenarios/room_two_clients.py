"""A room: one machine serves it from its ISO, with what nix/room.sh starts. One machine with UEFI starts over the network and installs by the
answers file; then one with a BIOS and a second one with UEFI at the same time, and then three at the same time. Each restarts from its own
disk, and the user logs in."""

import time

from machine import Failed
from room import Room


def play(run):
    """The scenario."""
    firmwares = {"first": "uefi", "second": "bios", "third": "uefi", "fourth": "uefi", "fifth": "bios", "sixth": "uefi"}
    room, names = Room(run, firmwares), list(firmwares)
    with room.server("server") as server:
        for group in (names[:1], names[1:3], names[3:]):
            began = time.monotonic()
            clients = [room.client(name) for name in group]
            try:
                for client in clients:
                    room.begins(client)
                room.copies(server)
                room.shows(server, f"screen-{len(group)}")
                for client in clients:
                    room.installs(client)
                room.measures(server, len(group), began)
            finally:
                for client in clients:
                    client.kill()
        room.asked(server, " 200 /room/nix-cfg-install.answers.yaml OK\n")
        room.asked(server, r" 200 /[0-9a-z]{32}\.narinfo OK\n")
        text = room.shows(server, "screen-done")
        if text.count(" done ") != len(names):
            raise Failed(f"the server's screen says:\n{text}")
