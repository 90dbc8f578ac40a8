"""A room: a machine that serves it, and others that start from it over a network that only they are on (a multicast socket of QEMU)."""

import os
import re
import time
import zlib

from machine import CACHE, PATIENCE, Failed, Machine
from qemu import qemu

# They share two processors.
LONG = 5 * PATIENCE
# What the tree `room` has for a firmware, and its user.
HOSTS = {"uefi": ("alpha", "ada"), "bios": ("beta", "bert")}
STATE = "/run/nix-cfg-install-room"
# The peak of each.
ENGINES = (
    "for one in /proc/[0-9]*; do echo $(sed -n 's/^VmHWM://p' $one/status) $(tr '\\0' ' ' < $one/cmdline); done"
    " | grep -E '/libexec/(nginx|dnsmasq|harmonia)|nginx: '"
)


class Room:
    """The network of one scenario. `clients` are the machines that the answers file has an entry for: the serial number of each, and its
    firmware."""

    def __init__(self, run, clients: dict[str, str]) -> None:
        self.run, self.clients = run, clients
        port = 20_000 + (zlib.crc32(str(run.directory).encode()) + os.getpid()) % 20_000
        self.network = f"socket,id=room,mcast=230.0.0.22:{port},localaddr=127.0.0.1"
        self.cards = 0

    def _machine(self, name: str, firmware: str, disks: list, **options) -> Machine:
        directory = self.run.directory / name
        directory.mkdir(exist_ok=True)
        self.cards += 1
        # The BIOS of QEMU has no PXE but the iPXE on its network card; OVMF has its own, which loads iPXE by TFTP.
        card = f"virtio-net-pci,netdev=room,mac=52:54:00:22:00:{self.cards:02x},bootindex=9"
        card += ",romfile=" if firmware == "uefi" else ""
        network = ["-netdev", self.network, "-device", card]
        command = qemu(directory, firmware, disks, network=network, **options)
        # Several at once: with one processor each, the emulator's panic (README.md) does not come.
        command[command.index("-smp") + 1] = "1"
        command.remove("-no-reboot")
        return Machine(self.run, f"{name} ({firmware})", command, directory)

    def server(self, name: str, late: bool = False) -> Machine:
        """A machine that serves the room, from its ISO and with a stick of its own, which can be inserted late; at its prompt."""
        entries = (f'  - match: {{ serial: "{one}" }}\n    host: {HOSTS[firmware][0]}\n' for one, firmware in self.clients.items())
        text = "machines:\n" + "".join(f"{entry}    disks: only\n    after: reboot\n" for entry in entries)
        # With the secret half of the key that the ISO's clients trust.
        stick = self.run.answers(text, CACHE / "vm-room.key/room.secret", name=f"{name}-stick")
        disks = [(CACHE / "vm-room-cache.img", "cache", True)]
        disks += [] if late else [(stick, "stick", False)]
        server = self._machine(name, "bios", disks, iso=self.run.iso("room"), stick="scsi", memory=2048)
        try:
            if late:
                server.expect("Room: Insert the stick with the label NIXCFG", seconds=LONG)
                server.gets(stick)
            server.expect(r"Room: This machine is http://10\.213\.0\.\d+\. Start the others from the network\.", seconds=LONG)
            self.run.stage(f"{name}: serves the room")
            # The prompt came before it.
            server.send("\n")
            server.expect("bash-.*# ")
            server.does("stty rows 50 cols 500")
        except BaseException:
            server.kill()
            raise
        return server

    def client(self, name: str, firmware: str = "") -> Machine:
        """A machine with the serial number `name` and an empty disk, which it starts from where a system is on it, and from the network
        otherwise."""
        firmware = firmware or self.clients[name]
        disk = self.run.disk("3G", name)
        return self._machine(name, firmware, [(disk, "target", False)], serial=name, memory=1024)

    def begins(self, client: Machine) -> None:
        """Its live system must come over the network, and count down."""
        client.expect(r"Installing or updating without questions in \d+ s. Any key stops.", seconds=LONG)
        self.run.stage(f"{client.title}: its live system is up")

    def installs(self, client: Machine) -> None:
        """It must be installed, and start again, from its own disk, as the host that the answers file has for it."""
        client.expect("Installed. The log is .* Restarting.", seconds=LONG)
        self.run.stage(f"{client.title}: installed")
        host, user = HOSTS["uefi" if "(uefi)" in client.title else "bios"]
        client.expect(f"MiniNixOS 24.05.*: {host} is up", seconds=LONG)
        client.login(user, "demo")
        self.run.stage(f"{client.title}: logged in on its own system")

    def copies(self, server: Machine) -> None:
        """Waits at the server's prompt until a machine is in the middle of its copy."""
        server.does(f"until grep -q ' copying ' {STATE}/screen; do sleep 0.2; done", LONG)
        self.run.stage(f"{server.title}: a machine is copying")

    def shows(self, server: Machine, picture: str) -> str:
        """What is on the server's screen, which is kept as a picture as well."""
        server.tells(f"screendump {self.run.directory / picture}.png -f png")
        text = server.does(f"cat {STATE}/screen")
        (self.run.directory / f"{picture}.txt").write_text(text)
        return text

    def measures(self, server: Machine, clients: int, began: float) -> None:
        """Notes how long `clients` took since `began`, and what memory the server takes: the engines at most until now, and all of it but
        the page cache and files in memory."""
        engines = server.does(ENGINES)
        memory = {key: int(value) for key, value in re.findall(r"(\w+): +(\d+) kB", server.does("cat /proc/meminfo"))}
        peak = sum(int(kilobytes) for kilobytes in re.findall(r"^(\d+) kB", engines, re.MULTILINE))
        used = memory["MemTotal"] - memory["MemAvailable"] - memory["Shmem"]
        took = time.monotonic() - began
        self.run.stage(f"{clients} at once: {took:.0f} s; the server's engines {peak / 1e3:.1f} MB at most, in use {used / 1e3:.0f} MB")

    def asked(self, server: Machine, pattern: str) -> None:
        """The log of the server must have a request, `ADDRESS STATUS PATH OK`."""
        log = server.does(f"cat {STATE}/access.log")
        (self.run.directory / "access.log").write_text(log)
        if not re.search(pattern, log):
            raise Failed(f"nothing in {self.run.directory}/access.log is {pattern!r}")
