"""A real NixOS in a virtual machine, built with tests/debian-nixos: its live system, the installed one, and what they are asked."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from machine import Failed, Machine, Run
from qemu import qemu

# systemd, Perl and Nix under emulation.
SLOW = 1800
MEMORY = 3072
# The shell that the console's login starts has escape sequences in its prompt.
SHELL = "exec env TERM=dumb PS1='# ' bash --norc --noprofile\n"


class NixOS(Machine):
    """A machine that is on, with root at the prompt of its serial console once it is `at_the_prompt`. `answers`: a stick, and the machine's
    serial number."""

    def __init__(
        self, run: Run, title: str, firmware: str, disk: Path, iso: Path | None = None, answers: tuple[Path, str] | None = None
    ) -> None:
        self.qmp = run.directory / "qmp"
        self.qmp.unlink(missing_ok=True)
        sticks = [(answers[0], "answers", False)] if answers else []
        serial = answers[1] if answers else ""
        command = qemu(run.directory, firmware, [(disk, "target", False), *sticks], iso, "usb", MEMORY, serial=serial)
        super().__init__(run, title, [*command, "-qmp", f"unix:{self.qmp},server=on,wait=off"])

    def shell(self) -> None:
        """From root's own shell to one that can be spoken with."""
        self.send(SHELL)
        self.expect(r"(?m)^# $")
        self.does("stty rows 50 cols 500; dmesg -n 1")

    def live(self) -> None:
        """The live system logs in by itself."""
        self.expect(r"nixos@nixos:.*\$ ", seconds=SLOW)
        self.run.stage(f"{self.title}: its user is at the prompt")
        self.picture("live")
        self.send("sudo -i\n")
        self.expect(r"root@nixos:.*# ")
        self.shell()

    def enter(self, name: str, password: str) -> None:
        """Logs in on the serial console of an installed system."""
        self.expect(r"login: $", seconds=SLOW)
        self.run.stage(f"{self.title}: asks for a login")
        self.picture(self.title.replace(" ", "-"))
        self.send(f"{name}\n")
        self.expect(r"Password: $")
        self.send(f"{password}\n")
        if self.expect(r"[$#] $|Login incorrect")[0] == "Login incorrect":
            raise Failed(f"{name} could not log in:\n{self.tail(self.console)}")
        self.shell()

    def picture(self, name: str) -> None:
        """What its screen shows, into results/NAME.png."""
        results = self.run.directory / "results"
        results.mkdir(exist_ok=True)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.qmp))
            with connection.makefile("rw") as qmp:
                screen = {"execute": "screendump", "arguments": {"filename": str(results / f"{name}.png"), "format": "png"}}
                for command in ({"execute": "qmp_capabilities"}, screen):
                    qmp.readline()
                    qmp.write(json.dumps(command) + "\n")
                    qmp.flush()
                qmp.readline()

    def failed_units(self) -> list[str]:
        """Waits until the system has started, and gives its failed units."""
        self.types("systemctl is-system-running --wait", SLOW)
        text = self.types("systemctl --failed --plain --no-legend --no-pager")[0]
        names = re.findall(r"^(\S+\.\w+) ", text, re.MULTILINE)
        for name in names:
            log = self.types(f"systemctl status --no-pager --lines 30 --full {name}")[0]
            with (self.run.directory / "failed-units.log").open("a") as file:
                file.write(f"{self.title}: {log}\n")
        self.run.stage(f"{self.title}: failed units: {', '.join(names) or 'none'}")
        return names

    def all_started(self) -> None:
        """None of its units has failed."""
        if failed := self.failed_units():
            raise Failed(f"{self.title}: {', '.join(failed)} failed; see failed-units.log")

    def checks_and_installs(self, options: str = "", install: str = "", written: str = "hardware-configuration.nix") -> None:
        """At the live system's prompt; then it goes off. `install`: options of the installation alone; `written`: what it writes in
        /etc/nixos."""
        self.keep(f"nix-cfg-install --check {options} --progress plain", "check")
        self.run.stage("checked")
        self.installs(f"nix-cfg-install {options} {install}", seconds=SLOW)
        self.keep("findmnt --real --output TARGET,SOURCE,FSTYPE,OPTIONS", "mounts")
        self.keep("df -B1 /mnt /mnt/boot; du --all --threshold=1M /mnt/boot", "disk")
        self.keep(f"tail -n +1 /mnt/etc/nixos/{written}", "hardware-configuration.nix")
        self.keep("cat /mnt/var/lib/nix-cfg-install/receipt.json", "receipt.json")
        self.shuts_down()
        self.run.check_progress()
        if found := [event["text"] for _, event in self.run.events if event["event"] == "problem"]:
            raise Failed(f"what can be installed is warned of: {found}")

    def keep(self, command: str, file: str) -> str:
        """The output of a command, also in results/FILE."""
        text = self.does(command, SLOW)
        (self.run.directory / "results" / file).write_text(text)
        return text

    def off(self) -> None:
        """It stops many units before."""
        self.process.wait(SLOW)
        self.run.stage(f"{self.title}: off")


@contextmanager
def installed(run: Run, title: str, firmware: str, disk: Path, passphrase: str = "") -> Iterator[NixOS]:
    """The machine with its disk alone: without a failed unit, and root at the prompt; it goes off at the end."""
    with NixOS(run, title, firmware, disk) as system:
        if passphrase:
            system.expect(r"(?i)passphrase for .*: ?(\([^\n]*\) ?)?$", seconds=SLOW)
            run.stage(f"{title}: asks for the passphrase")
            system.picture(f"{title}: passphrase".replace(" ", "-"))
            system.send(f"{passphrase}\n")
        system.enter("root", "demo")
        system.all_started()
        system.says("nixos-version", r"^26\.")
        yield system
        system.shuts_down()


def rebuilds(system: NixOS, change: str, menu: str, entries: str) -> None:
    """Changes its configuration and makes a second generation of it without a network; the boot menu, as the command `menu` prints
    it, has both: the pattern `entries`."""
    system.says("which htop", "/run/current-system/sw/bin/htop")
    system.says("nix-collect-garbage", "store paths deleted")
    system.does(change)
    system.run.stage("rebuilds")
    system.keep("nixos-rebuild boot --option substitute false 2>&1", "nixos-rebuild.log")
    system.run.stage("rebuilt")
    system.says(menu, entries)


def is_second_generation(system: NixOS) -> None:
    """It is what `rebuilds` made."""
    system.says("which htop || echo there is none", "there is none")
    system.says("readlink /nix/var/nix/profiles/system", "system-2-link")
