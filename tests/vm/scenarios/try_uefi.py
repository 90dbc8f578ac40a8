"""`nix run DIR#try`: the ISO starts, the system is installed by hand, and `--disk` starts it."""

import subprocess

from documented import mounts
from machine import Failed


def refuses(run, options: list[str], text: str) -> None:
    """It must say `text`, and start nothing."""
    said = subprocess.run(run.try_command(*options), check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if said.returncode != 1 or text not in said.stderr:
        raise Failed(f"try {options} ended with {said.returncode}: {said.stderr}")


def play(run):
    """The scenario."""
    refuses(run, ["--disk"], "error: There is no disk yet")
    with run.tries("--size", "3G") as live:
        refuses(run, ["--fresh"], "error: The disk is in use")
        live.does_all(mounts("README.md", "By hand"))
        live.installs("nix-cfg-install")
        live.shuts_down()
        if "To start what was installed" not in live.console.text:
            raise Failed("it did not say how to go on")
    refuses(run, ["--disk", "--bios"], "error: There is no disk yet")
    refuses(run, ["--disk", "--fresh"], "error: --disk and --fresh")
    with run.tries("--disk") as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        run.stage("logged in")
