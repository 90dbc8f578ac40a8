"""A virtual machine without a network: QEMU's two serial ports, conditions to wait for, and what it leaves behind.

Everything stands in target/vm/NAME (of NAME with a slash: target/NAME): console.log and work.log with the second of each line, times.json, trace.tsv, results/.
"""

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path

from qemu import PROCESSOR, qemu
from serial_port import Stream

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / "target/rig"
PATIENCE = 240  # seconds to wait for any condition: emulation on a busy machine
# The emulator's own (QEMU 7.2, multi-threaded TCG, see README.md): then, and only then, a scenario is run again.
EMULATOR_PANIC = re.compile(r"Kernel panic - not syncing: (?!Attempted to kill init|VFS|No working init|Requested init)")
LOST = re.compile(r"Kernel panic|stage 1 failed:.*\n|Guru Meditation|BUG: soft lockup")


class Failed(AssertionError):
    """What a scenario expected did not happen."""


class EmulatorPanic(Failed):
    """The guest's kernel died of the emulator."""


class Machine:
    """A machine that is on: `command` starts it, with the first serial port as its stdin and stdout."""

    def __init__(self, run, title: str, command: list, logs: Path | None = None) -> None:
        """Its ports are logged in `logs`, the directory of the run by default."""
        self.run, self.title, logs = run, title, logs or run.directory
        self.begun = time.monotonic()
        work_in, work_out = os.pipe()
        self.monitor = logs / "monitor"
        command = [*command, "-serial", f"file:/dev/fd/{work_out}", "-monitor", f"unix:{self.monitor},server=on,wait=off"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[work_out])
        os.close(work_out)
        self.console = Stream(logs / "console.log", run.start, lambda *_: None)
        self.work = Stream(logs / "work.log", run.start, run.heard)
        self.readers = [
            threading.Thread(target=self.console.pump, args=(self.process.stdout.fileno(),), daemon=True),
            threading.Thread(target=self.work.pump, args=(work_in,), daemon=True),
        ]
        for reader in self.readers:
            reader.start()
        run.stage(f"{title}: power on")

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def kill(self) -> None:
        """Pulls the plug."""
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()

    def expect(self, pattern: str, stream=None, seconds: float = PATIENCE) -> re.Match:
        """Waits until `pattern` comes after what was expected before, and gives the match."""
        stream = stream or self.console
        deadline = time.monotonic() + seconds
        with stream.changed:
            while not (match := re.compile(pattern).search(stream.text, stream.cursor)):
                if EMULATOR_PANIC.search(self.console.text):
                    raise EmulatorPanic(f"{self.title}: {self.tail(self.console)}")
                if lost := LOST.search(self.console.text):
                    raise Failed(f"{self.title}: {lost[0]} while waiting for {pattern!r}")
                if not stream.open:
                    raise Failed(f"{self.title}: the machine went off before it said {pattern!r}; the last lines:\n{self.tail(stream)}")
                if time.monotonic() > deadline:
                    raise Failed(f"{self.title}: {pattern!r} did not come in {seconds:.0f} s; the last lines:\n{self.tail(stream)}")
                stream.changed.wait(1)
            stream.cursor = match.end()
            return match

    @staticmethod
    def tail(stream: Stream) -> str:
        """The last lines of a port."""
        return "\n".join(stream.text.splitlines()[-25:])

    def send(self, text: str) -> None:
        """Types on the console."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def tells(self, command: str) -> None:
        """Tells QEMU something, as `set_link`."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.monitor))
            monitor.settimeout(30)
            said = ""
            for line in ("", f"{command}\n"):
                monitor.sendall(line.encode())
                while not said.endswith("(qemu) "):
                    said += monitor.recv(4096).decode()
                said, before = "", said
        if re.search("error", before, re.IGNORECASE):
            raise Failed(f"{command}: {before}")

    def gets(self, stick: Path) -> None:
        """A stick is inserted, while it runs from its ISO."""
        self.tells(f"drive_add 0 if=none,id=late,format=raw,file={stick}")
        self.tells("device_add scsi-hd,drive=late,removable=on")
        self.run.stage(f"{self.title}: a stick is inserted")

    def ends(self, code: int = 0) -> None:
        """The agenda of the live system must end with `code`, and the machine go off."""
        said = int(self.expect(r"@@ end (\d+)\n", self.work, 3 * PATIENCE)[1])
        self.off()
        self.run.take_results()
        if said != code:
            raise Failed(f"the agenda ended with {said}, not {code}:\n{self.tail(self.work)}")

    def off(self, seconds: float = PATIENCE) -> None:
        """Waits until the machine has gone off by itself."""
        self.process.wait(seconds)
        self.run.stage(f"{self.title}: off")

    def login(self, name: str, password: str) -> None:
        """Logs in on the serial console."""
        self.expect(r"login: $")
        self.send(f"{name}\n")
        self.expect(r"Password: $")
        self.send(f"{password}\n")
        # What comes before the prompt is thrown away.
        if self.expect(r"[$#] $|Login incorrect")[0] == "Login incorrect":
            raise Failed(f"{name} could not log in:\n{self.tail(self.console)}")
        self.says("echo user-$(id -un)", f"user-{name}\n")

    def types(self, command: str, seconds: float = PATIENCE) -> tuple[str, int]:
        """Runs a command at the prompt, and gives its output and its exit code."""
        self.send(f'{command}; echo "[$?] end-of-$(echo output)"\n')
        self.expect(r"end-of-\$.*\n", seconds=seconds)
        begins = self.console.cursor
        # Without `.*` for the output: what is printed meanwhile would be read from each of its characters, to its end.
        end = self.expect(r"\[(\d+)\] end-of-output\n", seconds=seconds)
        self.expect("[#$] ")
        return self.console.text[begins : end.start()], int(end[1])

    def does(self, command: str, seconds: float = PATIENCE) -> str:
        """Runs a command at the prompt; it must succeed. Gives its output."""
        text, code = self.types(command, seconds)
        if code != 0:
            raise Failed(f"{command} ended with {code}: {text}")
        return text

    def does_all(self, commands: str) -> None:
        """Runs commands, a line each, that must succeed."""
        for command in commands.strip().splitlines():
            self.does(command)
            self.run.stage(command)

    def installs(self, command: str, logs: str = "/mnt/var/log/nix-cfg-install", seconds: float = 3 * PATIENCE) -> None:
        """Runs the installer at the prompt, with its events on the second serial port, and keeps its log from `logs`."""
        self.run.stage(f"{command}: begins")
        self.does(f"{command} --progress json > /dev/ttyS1", seconds)
        self.run.stage(f"{command}: done")
        results = self.run.directory / "results"
        results.mkdir(exist_ok=True)
        (results / "nix-cfg-install.log").write_text(self.does(f"cat {logs}/*.log"))

    def shuts_down(self) -> None:
        """Switches the machine off as a person does."""
        self.send("poweroff\n")
        self.off()

    def says(self, command: str, pattern: str) -> re.Match:
        """Runs a command at the prompt; its output must contain `pattern`."""
        text, _ = self.types(command)
        match = re.search(pattern, text)
        if not match:
            raise Failed(f"{command} said {text!r}, not {pattern!r}")
        return match


class Run:
    """One scenario's run, and its directory target/vm/NAME."""

    def __init__(self, name: str) -> None:
        self.name, self.directory = name, PROJECT / "target" / (name if "/" in name else f"vm/{name}")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.start = time.monotonic()
        self.stages: list[tuple[float, str]] = []
        self.events: list[tuple[float, dict]] = []
        self.bar: list[tuple[float, float]] = []
        self.copying: list[float] = []
        self.load = os.getloadavg()[0]

    def stage(self, text: str) -> None:
        """Notes when something was reached."""
        seconds = time.monotonic() - self.start
        self.stages.append((round(seconds, 1), text))
        print(f"  {seconds:6.1f} s  {text}", flush=True)

    def heard(self, seconds: float, line: str) -> None:
        """A line of the second serial port."""
        # The firmware clears the screen of every serial port first.
        if "@@ stage " in line:
            self.stage(line.partition("@@ stage ")[2])
        elif line.startswith("@@ bar "):
            self.bar.append((seconds, float(line.split()[2])))
        elif job := re.search(r'Starting job "(.*)" \(', line):
            self.stage(f"Calamares: {job[1]}")
        elif re.search(r'JOB\]: "(Copying and reading |Activating the system)', line):
            self.copying.append(seconds)
        elif line.startswith("{"):
            try:
                self.events.append((seconds, json.loads(line)))
            except ValueError:
                pass  # A line that the power cut ended, or a program's own.

    def keep_as(self, name: str) -> Path:
        """Puts what is left of this run aside."""
        kept = self.directory.with_name(Path(name).name)
        shutil.rmtree(kept, ignore_errors=True)
        return self.directory.rename(kept)

    def disk(self, size: str, name: str = "target") -> Path:
        """A new, empty disk."""
        file = self.directory / f"{name}.img"
        file.unlink(missing_ok=True)
        subprocess.run(["truncate", "-s", size, file], check=True)
        return file

    @staticmethod
    def iso(name: str) -> Path:
        """The ISO that the generator built of an example configuration."""
        return CACHE / f"vm-{name}.iso"

    def tree(self, name: str, edits: dict[str, list[tuple[str, str]]]) -> Path:
        """An example configuration with changes: {file: [(old, new)]}."""
        directory = self.directory / f"tree-{name}"
        shutil.copytree(CACHE / "vm-trees" / name, directory, symlinks=True)
        for file, changes in edits.items():
            text = (directory / file).read_text()
            for old, new in changes:
                if old not in text:
                    raise Failed(f"{file} of {name} has no {old!r}")
                text = text.replace(old, new)
            (directory / file).write_text(text)
        return directory

    def medium(self, firmware: str, iso: Path, disk: Path, *more: tuple[Path, str, bool], stick: str | None = None, serial: str = "") -> Machine:
        """Boots the ISO by its own boot loader into its own system, where root is at the prompt. `disk` is its /dev/vda."""
        return self.at_the_prompt(qemu(self.directory, firmware, [(disk, "target", False), *more], iso, stick, serial=serial))

    def unattended(self, firmware: str, disk: Path, answers: Path, serial: str, iso: Path | None = None, late: bool = False) -> Machine:
        """Boots the ISO that installs without questions, or one that was made of it, to its countdown. The stick with the answers is in it, or
        is inserted late."""
        disks = [(disk, "target", False)]
        disks += [] if late else [(answers, "answers", False)]
        live = Machine(self, "the ISO", qemu(self.directory, firmware, disks, iso or self.iso("unattended"), "scsi", serial=serial))
        try:
            live.expect(r"NixOS \(install without questions\)")
            if late:
                live.expect("Waiting for the stick with the answers file, whose label is NIXCFG. Any key stops.")
                live.gets(answers)
            live.expect(r"The stick of the ISO is needed until the end\.\s+For copytoram it has too little memory: 1\d{3} MB, and the ISO")
            live.expect(r"Installing or updating without questions in \d+ s. Any key stops.")
            self.stage("the ISO: the countdown")
        except BaseException:
            live.kill()
            raise
        return live

    def answers(self, text: str, *more: Path, name: str = "answers") -> Path:
        """A stick with an answers file, and the files and directories that it names."""
        stick = self.disk("34M", name)
        file = self.directory / "nix-cfg-install.answers.yaml"
        file.write_text(text)
        subprocess.run(["mkfs.vfat", "-n", "NIXCFG", stick], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["mcopy", "-s", "-i", stick, file, *more, "::/"], check=True)
        return stick

    @staticmethod
    def on_stick(stick: Path, name: str) -> str:
        """The text of a file on the stick."""
        return subprocess.run(["mtype", "-i", stick, f"::/{name}"], check=True, capture_output=True, text=True).stdout

    def tries(self, *options: str) -> Machine:
        """What `nix run DIR#try` starts of the ISO, which must be in its own system, or of the disk (`--disk`)."""
        command = [*self.try_command(*options), "--", *PROCESSOR]
        return Machine(self, "what try started", command) if "--disk" in options else self.at_the_prompt(command)

    def try_command(self, *options: str) -> list:
        """The program of `nix run DIR#try`, in this terminal, as the generator's flake builds it."""
        (program,) = CACHE.glob("vm-try/*/bin/try")
        return [program, "--serial", "--no-kvm", "--memory", "1536M", "--dir", self.directory / "try", *options]

    def at_the_prompt(self, command: list) -> Machine:
        """Starts a machine, which must boot the ISO into its own system."""
        live = Machine(self, "the ISO", command)
        try:
            live.expect("MiniNixOS .*: nixos is up")
            self.stage("the ISO: its system is up")
            live.expect("bash-.*# ")
            # The shell shows long lines whole.
            live.does("stty rows 50 cols 500")
            live.says("ls /sys/class/net", r"\Alo\n\Z")
        except BaseException:
            # Nobody else has it yet.
            live.kill()
            raise
        return live

    def archive(self, files: dict[str, Path]) -> Path:
        """A disk that is an archive of files below live/."""
        archive = self.directory / "live.tar"
        with tarfile.open(archive, "w") as tar:
            for name, source in files.items():
                tar.add(source, f"live/{name}")
        return archive

    def live(self, firmware: str, iso: Path, disk: Path, agenda: str, files: dict[str, Path] | None = None) -> Machine:
        """Boots the ISO, goes from there into Debian's system, and does what `agenda` (bash, see live/lib) says. `files` appear
        under /live."""
        (self.directory / "agenda").write_text(agenda)
        archive = self.archive({"": PROJECT / "tests/vm/live", "agenda": self.directory / "agenda", **(files or {})})
        debian, results = CACHE / "vm-live.img", self.disk("64M", "results")
        live = self.medium(firmware, iso, disk, (debian, "live", True), (archive, "files", True), (results, "results", False))
        live.send("tar -xf /dev/vdc -C / && exec /live/enter\n")
        return live

    def installed(self, firmware: str, disk: Path) -> Machine:
        """Boots from the disk, with nothing else in the machine."""
        return Machine(self, "installed system", qemu(self.directory, firmware, [(disk, "target", False)]))

    def take_results(self) -> None:
        """Unpacks what the live system left."""
        file = self.directory / "results.img"
        with tarfile.open(file) as tar:
            tar.extractall(self.directory, filter="data")
        file.unlink()

    def progress(self) -> list[tuple[float, float]]:
        """(second, fraction) of the installer's events so far."""
        return [(seconds, event["fraction"]) for seconds, event in self.events if "fraction" in event]

    def check_progress(self) -> None:
        """It never goes back, ends at 1, and is never still for more than 5 s while bytes are copied."""
        trace = self.progress()
        (self.directory / "trace.tsv").write_text("".join(f"{seconds:.2f}\t{100 * fraction:.1f}\n" for seconds, fraction in trace))
        fractions = [fraction for _, fraction in trace]
        if fractions != sorted(fractions) or not fractions or fractions[-1] != 1:
            raise Failed(f"the progress went back or did not end at 1: {fractions}")
        moves, last = [], -1.0
        copying = [(s, e["fraction"]) for s, e in self.events if e.get("phase") == "copy" and e.get("done")]
        for seconds, fraction in copying:
            if fraction > last:
                moves.append(seconds)
                last = fraction
        still = max((b - a for a, b in itertools.pairwise(moves)), default=0)
        self.stage(f"progress: {len(trace)} events, longest stand still while copying {still:.1f} s")
        if still > 5:
            raise Failed(f"the progress stood still for {still:.1f} s while bytes moved")

    def check_bar(self) -> None:
        """What Calamares' bar showed: it never goes back, and is never still for more than 5 s while the system is copied."""
        (self.directory / "trace.tsv").write_text("".join(f"{seconds:.2f}\t{per_cent}\n" for seconds, per_cent in self.bar))
        shown = [per_cent for _, per_cent in self.bar]
        if shown != sorted(shown) or shown[-1] < 95:
            raise Failed(f"the bar went back or did not come to its end: {shown}")
        begin, end = self.copying
        moves = [seconds for seconds, _ in self.bar if begin < seconds < end]
        still = max(b - a for a, b in itertools.pairwise([begin, *moves, end]))
        self.stage(f"the bar: {len(shown)} places, {len(moves)} of them while copying, longest stand still there {still:.1f} s")
        if still > 5:
            raise Failed(f"the bar stood still for {still:.1f} s while bytes moved")

    def finish(self) -> None:
        """Writes the times, and removes what is large."""
        times = {"scenario": self.name, "load": self.load, "seconds": round(time.monotonic() - self.start, 1)}
        (self.directory / "times.json").write_text(json.dumps({**times, "stages": self.stages}, indent=1) + "\n")
        shutil.rmtree(self.directory / "try", ignore_errors=True)
        for file in [*self.directory.glob("*.img"), *self.directory.glob("*.iso"), *self.directory.glob("*.tar"), *self.directory.glob("*.fd")]:
            file.unlink()
