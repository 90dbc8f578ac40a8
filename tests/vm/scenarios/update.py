"""A machine that was installed from one ISO is updated from the next one while it runs: it starts into the new system, with its data."""

import re
import subprocess

from machine import PATIENCE, PROJECT, Failed, Machine, qemu

AGENDA = """
cp -r /live/tree /tmp/nix-cfg
partition_uefi
mount_uefi
install_system
finish
"""
# Who updates has to be root. A NixOS loads these when they are needed.
HASH = "$6$demo$xaYAg242RG/EY4k/kcP49.T.9VhXcRON0IgP0S5Gd6sjdtt8oMWkfCFu.PE6zK1w/06gz0EXGQVnxkVH2TZxG0"
MODULES = 'boot.initrd.availableKernelModules = [ "loop" "isofs" "squashfs" "overlay" ];'
FIRST = ("  users.users.alice", f'  {MODULES}\n  users.users.root.initialHashedPassword = "{HASH}";\n  users.users.alice')
SECOND = ("networking.hostName", 'environment.etc."second".text = "from the second ISO";\n  networking.hostName')
FILL = "dd if=/dev/zero of=/boot/fill bs=1M 2> /dev/null || true"


def next_iso(run, tree):
    """The ISO with another configuration."""
    out = run.directory / "second.iso"
    program = PROJECT / "target/x86_64-unknown-linux-gnu/release/nix-cfg-iso"
    said = subprocess.run([program, "customize", run.iso("channel"), out, "--config", tree], check=False, capture_output=True, text=True)
    if said.returncode:
        raise Failed(said.stderr)
    return out


def updates(system, options, code, pattern):
    """Tries to update; that has to end with `code`, and say `pattern`."""
    text, ended = system.types(f"/nix-cfg-install update {options} --progress plain", 3 * PATIENCE)
    if ended != code or not re.search(pattern, text):
        raise Failed(f"update {options} ended with {ended}, not {code}: {text}")


def play(run):
    """The scenario."""
    first = run.tree("channel", {"configuration.nix": [FIRST]})
    disk = run.disk("2G")
    with run.live("uefi", run.iso("channel"), disk, AGENDA, {"tree": first}) as live:
        live.ends()
    (first / "configuration.nix").write_text((first / "configuration.nix").read_text().replace(*SECOND))
    stick = next_iso(run, first)
    command = qemu(run.directory, "uefi", [(disk, "target", False), (stick, "stick", True)])
    with Machine(run, "installed system", command) as system:
        system.login("root", "demo")
        system.does("stty rows 50 cols 500; echo kept > /var/kept; echo kept > /home/alice/kept")
        # It finds the stick by itself.
        system.does("mkdir /run/iso && mount -t iso9660 -o ro /dev/vdb /run/iso && cp /run/iso/nix-cfg-install / && umount /run/iso")
        updates(system, "--dry-run", 0, r"(?s)To copy: [1-9].*can be updated. Nothing was written")
        run.stage("a dry run said what would be done")
        system.does(FILL)
        updates(system, "", 7, "(?s)may not fit on the partition at /boot.*starts its former system, as before")
        run.stage("a full boot partition left the former system")
        # What comes next prints all logs.
        system.does("rm /boot/fill /var/log/nix-cfg-install/*")
        system.installs("/nix-cfg-install update", "/var/log/nix-cfg-install")
        system.says("ls /boot/loader/entries | wc -l", "^2$|\n2\n")
        system.says("cat /proc/mounts", r"(?s)\A((?!live).)*\Z")
        system.send("sync; umount /boot; reboot -f\n")
        system.off()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("root", "demo")
        system.says("cat /etc/second", "from the second ISO")
        system.says("cat /var/kept /home/alice/kept", "kept\nkept")
        system.says("ls -d /etc/nixos.before-*", "before-")
        system.says("nix-store --verify --check-contents && echo store is whole", "(?m)^store is whole")
