"""A job of Calamares that nix-cfg-install does.

It hands globalStorage to the helper, shows the events that come back, and returns the helper's error. What is right or
wrong is decided there. Calamares 3.3 and 3.4.
"""

import collections
import html
import json
import os
import shlex
import shutil
import subprocess

import libcalamares

# The key of globalStorage with the live status; the slideshow shows it.
STATUS = "nixCfgInstall"
# How much of what the helper said in plain words is repeated when it ended without an explanation.
LAST_WORDS = 12


def pretty_name():
    """Called once, before run(): the line under the bar."""
    return libcalamares.job.configuration.get("name", "Installing your NixOS configuration")


def run():
    """Returns None, or the title and the details of the error dialog."""
    try:
        failure = run_helper(libcalamares.job.configuration)
    # Anything that leaves run() is shown as "Bad main script file", without a reason.
    except Exception as error:  # noqa: BLE001
        failure = ("The installation module of NixOS failed", f"{type(error).__name__}: {error}")
    if failure is None:
        return None
    title, details = failure
    # The title is taken as HTML, the details as plain text.
    return html.escape(title), details


def run_helper(configuration):
    name = configuration.get("helper", "nix-cfg-install")
    helper = shutil.which(name)
    if helper is None:
        return (
            f"The program {name} is not on this system",
            f"It carries out the installation, and is neither in PATH nor a program with this path.\n{next_step(configuration)}",
        )
    command = [helper, "--calamares", configuration.get("step", "install")]
    if os.geteuid() != 0:
        command.insert(0, "pkexec")
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    events = Events(configuration.get("step", "install"))
    # stdin stays open: when it closes, the helper knows that this process has ended.
    with process:
        try:
            process.stdin.write(json.dumps(global_storage(), default=str) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # It ended before it read stdin; its exit code and output say why.
        for line in process.stdout:
            events.take(line.rstrip("\n"))
        code = process.wait()
        # The process has ended.
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
    # Otherwise the slideshow would show this status during the jobs that follow.
    libcalamares.globalstorage.insert(STATUS, {})
    if code == 0:
        return None
    return events.failure or unexplained(command, code, events.last_words, next_step(configuration))


def global_storage():
    """The whole storage. It holds passphrases: pass it to the helper's stdin only."""
    storage = libcalamares.globalstorage
    names = storage.keys()
    return {name: storage.value(name) for name in names}


class Events:
    """Shows the events of the helper; docs/events.md describes them."""

    def __init__(self, step):
        self.failure = None
        self.last_words = collections.deque(maxlen=LAST_WORDS)
        self.status = {"step": step}

    def take(self, line):
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, TypeError, KeyError):
            self.last_words.append(line)
            libcalamares.utils.debug(line)
            return
        if "fraction" in event:
            libcalamares.job.setprogress(event["fraction"])
            self.status["fraction"] = event["fraction"]
        if kind == "phase":
            libcalamares.utils.debug(event["text"])
            self.show(phase=event["text"], text="", item="")
        elif kind == "mounted":
            # The jobs that follow work there.
            libcalamares.globalstorage.insert("rootMountPoint", event["target"])
        elif kind == "progress":
            self.show(text=event["text"], item=event["item"])
        elif kind == "log":
            libcalamares.utils.debug(event["text"])
        elif kind == "problem":
            libcalamares.utils.warning(event["text"])
        elif kind == "done":
            libcalamares.utils.debug(event["text"])
        elif kind == "failure":
            self.failure = (event["title"], event["details"])

    def show(self, **changes):
        self.status.update(changes)
        libcalamares.globalstorage.insert(STATUS, dict(self.status))


def unexplained(command, code, last_words, next_step):
    """The dialog of a helper that could not say why it ended."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    # About nine lines are visible; the command that continues is among them.
    lines = [f"`{shlex.join(command)}` {how}.", "", next_step]
    if last_words:
        lines += ["", "Its last output:", *last_words]
    return "The installation stopped unexpectedly", "\n".join(lines)


def next_step(configuration):
    """What to do next, as far as it is known without the helper."""
    root = libcalamares.globalstorage.value("rootMountPoint")
    if not root and configuration.get("step") == "disko":
        return "The disk may be erased, and nothing is installed. Start the installer again."
    if not root:
        return "Nothing was written to a disk."
    return f"To continue, in a terminal:\nsudo nix-cfg-install --target {shlex.quote(root)}"
