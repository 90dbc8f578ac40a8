"""Without questions, by UEFI: files from the stick, and a host key that the installation makes. The installed machine has both, and
nix-cfg-iso enrol takes the half of the key that was left on the stick."""

import shutil
import subprocess
from pathlib import Path

from machine import CACHE, PATIENCE, Failed

ANSWERS = """
machines:
  - match: { serial: "VM 42" }
    disks: only
    extra-files: keys
    after: power-off
"""
MANIFEST = """
/home/alice: { owner: alice }
/var/lib/app: { mode: "0711" }
/var/lib/app/token: { owner: 71, group: users, mode: "0640" }
"""
KEY = "/etc/ssh/ssh_host_ed25519_key"
# What the check reads of agenix and sshd.
SECRETS = """{ lib, ... }: {
  options.age = lib.mkOption { type = lib.types.attrs; };
  options.services.openssh = lib.mkOption { type = lib.types.attrs; };
  config.age = { secrets.wifi.path = "/run/agenix/wifi"; identityPaths = [ "KEY" ]; };
  config.services.openssh = { enable = true; hostKeys = [ { type = "ed25519"; path = "KEY"; } ]; };
}"""
RULES = """# Who opens what.
keys: []
creation_rules:
  - age: age1up8aleh4p929n0gcl3x3fk85vtk5u75kh0g26hcq0cj6za7vsgasmzgjlg # me
"""


def bundle(run) -> Path:
    """The ssh-keygen of this machine with its libraries: the ISO of the miniature nixpkgs has no OpenSSH."""
    place = run.directory / "ssh"
    place.mkdir()
    listed = subprocess.run(["ldd", "/usr/bin/ssh-keygen"], check=True, capture_output=True, text=True).stdout
    libraries = [word for word in listed.split() if word.startswith("/")]
    for file in ["/usr/bin/ssh-keygen", *libraries]:
        shutil.copy(file, place)
    loader = next(Path(library).name for library in libraries if "ld-linux" in library)
    program = place / "bin/ssh-keygen"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec /live/ssh/{loader} --library-path /live/ssh /live/ssh/ssh-keygen "$@"\n')
    program.chmod(0o755)
    return place


def extra_files(run) -> Path:
    """What the answers file names."""
    keys = run.directory / "keys"
    files = {"extra-files.yaml": MANIFEST, "home/alice/note": "mine\n", "var/lib/app/token": "secret\n"}
    for name, text in files.items():
        (keys / name).parent.mkdir(parents=True, exist_ok=True)
        (keys / name).write_text(text)
    return keys


def private_half(run, disk: Path) -> str:
    """The public key of the private one on the disk, which only root reads there."""
    listed = subprocess.run(["partx", "--show", "-g", "-o", "START", "--nr", "-1", disk], check=True, capture_output=True, text=True)
    command = ["debugfs", "-R", f"cat {KEY}", f"{disk}?offset={512 * int(listed.stdout)}"]
    key = run.directory / "key"
    key.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    key.chmod(0o600)
    return subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True).stdout


def enrols(run, stick: Path) -> None:
    """The key is taken into .sops.yaml, once."""
    config, left = run.directory / "config", run.directory / "left"
    for directory in (config, left):
        directory.mkdir()
    for name in ("host-keys-VM-42.pub", "receipt-VM-42.json"):
        (left / name).write_text(run.on_stick(stick, name))
    rules = config / ".sops.yaml"
    rules.write_text(RULES)
    command = [CACHE / "../x86_64-unknown-linux-gnu/release/nix-cfg-iso", "enrol", config, left]
    texts = []
    for _ in range(2):
        subprocess.run(command, check=True)
        texts.append(rules.read_text())
    recipient = run.on_stick(stick, "age-recipients-VM-42.txt").strip()
    expected = RULES.replace("[]", f"[&VM-42 {recipient}]").replace(" # me", f",{recipient} # me")
    if texts != [expected, expected]:
        raise Failed(f"enrol wrote {texts}, not {expected}")


def play(run):
    """The scenario."""
    disk, stick = run.disk("3G"), run.answers(ANSWERS, extra_files(run))
    imports = ("imports = [", "imports = [ ./secrets.nix")
    tree = run.tree("channel", {"configuration.nix": [imports]})
    (tree / "secrets.nix").write_text(SECRETS.replace("KEY", KEY))
    files = run.archive({"tree": tree, "ssh": bundle(run)})
    media = [(stick, "answers", False), (files, "files", True)]
    with run.medium("uefi", run.iso("channel"), disk, *media, stick="scsi", serial="VM 42") as live:
        live.does("tar -xf /dev/vdc -C / && cp -r /live/tree /tmp/nix-cfg")
        live.send("PATH=$PATH:/live/ssh/bin nix-cfg-install --answers --progress json > /dev/ttyS1\n")
        live.off(3 * PATIENCE)
    run.check_progress()
    public = run.on_stick(stick, "host-keys-VM-42.pub")
    if private_half(run, disk) != public:
        raise Failed(f"the machine's host key is not {public}")
    enrols(run, stick)
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        system.says("cat /home/alice/note", "mine")
        system.says(f"stat -c '%a %u:%g' {KEY} /var/lib/app/token", r"600 0:0\s+640 71:100")
        system.says(f"cat {KEY}", "Permission denied")
        system.says(f"cat {KEY}.pub", public.split()[1].replace("+", r"\+"))
        run.stage("logged in")
