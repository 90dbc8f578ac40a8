"""A room that has a DHCP server of its own. The server of the room hands out no addresses there: it only adds to what the other one says what
machines with UEFI and with a BIOS start, and these install from it."""

from room import LONG, STATE, Room

# Ends what the ISO started, and starts it again as an ISO without `address` would.
END = """
cd /run; room=/proc/$(grep -ls room.sh /proc/[0-9]*/cmdline | cut -d / -f 3 | sort -n | head -n 1); ls $room/environ
tr '\\0' '\\n' < $room/environ | grep -v ^ADDRESS= > environment; echo ADDRESS= >> environment
tr '\\0' ' ' < $room/cmdline > command
kill ${room#/proc/}; while [ -e $room ]; do sleep 1; done
"""
AGAIN = "(while IFS= read -r one; do export \"$one\"; done < environment; exec sh -c \"$(cat command)\") &"
# A router's: it knows nothing of PXE.
ADDRESSES = "/nix/store/*-dnsmasq-*/bin/dnsmasq --port=0 --interface=eth0 --bind-interfaces --dhcp-range=10.213.0.50,10.213.0.99,1h --dhcp-leasefile=/run/leases --pid-file=/run/router"


def play(run):
    """The scenario."""
    clients = {"first": "uefi", "second": "bios"}
    room = Room(run, clients)
    with room.server("router") as router, room.server("server") as server:
        for machine in (router, server):
            machine.does_all(END)
        router.does(ADDRESSES)
        server.send(f"{AGAIN}\n")
        server.expect(r"Room: This machine is http://10\.213\.0\.2\. Start the others from the network\.", seconds=LONG)
        server.does(f"grep proxy {STATE}/dnsmasq.conf")
        started = [room.client(name) for name in clients]
        try:
            for client in started:
                room.begins(client)
            for client in started:
                room.installs(client)
        finally:
            for client in started:
                client.kill()
        router.does(r"grep -c 52:54:00:22:00: /run/leases")
