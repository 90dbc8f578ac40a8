"""A room with two servers: the second one joins, with the same stick. The first is switched off in the middle of a copy: the machine goes on
with the second, which hands out the addresses from then on, so that another machine starts."""

from room import LONG, STATE, Room

SERVERS = "http://10.213.0.1", "http://10.213.0.2"


def play(run):
    """The scenario."""
    room = Room(run, {"begun": "uefi", "late": "bios"})
    with room.server("first") as first, room.server("second") as second:
        first.does(f"until grep -q 10.213.0.2 {STATE}/room/start.ipxe; do sleep 1; done")
        run.stage("the first server names the second")
        with room.client("begun") as client:
            room.begins(client)
            # It begins with either; here with the one that is switched off.
            client.send(" ")
            client.expect("bash-.*# ", seconds=LONG)
            client.does("stty rows 50 cols 500")
            for server in SERVERS:
                client.does(f"grep -F {server} /run/nix-cfg-install.yaml")
            client.does(f"printf 'medium:\\n- {SERVERS[0]}\\n- {SERVERS[1]}\\n' > /run/nix-cfg-install.yaml")
            client.send("nix-cfg-install --answers --progress plain\n")
            room.copies(first)
            first.kill()
            run.stage("the first server is off")
            room.installs(client)
        second.expect("This machine now hands out the addresses", seconds=LONG)
        room.asked(second, " 200 /nar/.* OK\n")
        with room.client("late") as client:
            room.begins(client)
            room.installs(client)
