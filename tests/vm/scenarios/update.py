"""A machine that was installed from one ISO is updated from the next one while it runs: it starts into the new system, with its data.
The third ISO is taken by what the desktop's launcher starts; its system is found bad when it is started, and the machine is back in that of
the second by itself."""

import re
import shutil
import subprocess

from machine import PATIENCE, PROJECT, Failed, Machine
from qemu import qemu

AGENDA = """
cp -r /live/tree /tmp/nix-cfg
partition_uefi
mount_uefi
install_system
finish
"""
# Who updates has to be root. A NixOS loads these when they are needed.
HASH = "$6$demo$xaYAg242RG/EY4k/kcP49.T.9VhXcRON0IgP0S5Gd6sjdtt8oMWkfCFu.PE6zK1w/06gz0EXGQVnxkVH2TZxG0"
MODULES = 'boot.initrd.availableKernelModules = [ "loop" "isofs" "squashfs" "overlay" "efivarfs" ];'
FIRST = ("  users.users.alice", f'  {MODULES}\n  users.users.root.initialHashedPassword = "{HASH}";\n  users.users.alice')
SECOND_ON_TRIAL = [
    ("./modules/greeter.nix", "./modules/greeter.nix\n    ./health-check.nix"),
    ("networking.hostName", 'environment.etc."second".text = "from the second ISO";\n  networking.hostName'),
    ("networking.hostName", 'offlineInstaller.healthCheck = [ "greeter.service" ];\n  networking.hostName'),
]
SECOND = [
    *SECOND_ON_TRIAL,
    ("./health-check.nix", "./health-check.nix ./update-launcher.nix"),
    ("networking.hostName", "offlineInstaller.updateLauncher.enable = true;\n  networking.hostName"),
]
THIRD = [
    ("from the second", "from the third"),
    ('"greeter.service" ];', '"greeter.service" "absent.service" ];\n  boot.loader.systemd-boot.bootCounting.tries = 2;'),
]
# What pkexec starts as root for "Update from this stick".
LAUNCHED = "printf 'y\\ny\\n' | $(sed -n s/^Exec=//p /run/current-system/sw/share/applications/update-from-stick.desktop | xargs sed -n 's/.*pkexec //p')"
FILL = "dd if=/dev/zero of=/boot/fill bs=1M 2> /dev/null || true"


def next_iso(run, tree, name, changes, of="channel"):
    """The ISO `of` a configuration with another one, which is that in `tree` with changes."""
    text = (tree / "configuration.nix").read_text()
    for old, new in changes:
        text = text.replace(old, new)
    (tree / "configuration.nix").write_text(text)
    out = run.directory / f"{name}.iso"
    program = PROJECT / "target/x86_64-unknown-linux-gnu/release/nix-cfg-iso"
    said = subprocess.run([program, "customize", run.iso(of), out, "--config", tree], check=False, capture_output=True, text=True)
    if said.returncode:
        raise Failed(said.stderr)
    return out


def updates(system, options, code, pattern):
    """Tries to update; that has to end with `code`, and say `pattern`."""
    text, ended = system.types(f"/nix-cfg-install update {options} --progress plain", 3 * PATIENCE)
    if ended != code or not re.search(pattern, text):
        raise Failed(f"update {options} ended with {ended}, not {code}: {text}")


def restarts(system, entries):
    """Restarts after an update; these entries are in the boot menu."""
    system.says("ls /boot/loader/entries | cat", entries)
    system.says("cat /proc/mounts", r"(?s)\A((?!live).)*\Z")
    system.send("sync; umount /boot; reboot -f\n")
    system.off()


def is_second(system, said=""):
    """The machine has started the system of the second ISO, which has `said` this, with its data, and everything is in order."""
    system.expect(f"MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat[^\\n]*\n{said}")
    system.login("root", "demo")
    system.does("stty rows 50 cols 500")
    system.says("cat /etc/second", "from the second ISO")
    system.says("cat /var/kept /home/alice/kept", "kept\nkept")
    system.says("ls -d /etc/nixos.before-*", "before-")
    system.says("nix-store --verify --check-contents && echo store is whole", "(?m)^store is whole")


def play(run):
    """The scenario."""
    tree = run.tree("channel", {"configuration.nix": [FIRST]})
    disk = run.disk("2G")
    with run.live("uefi", run.iso("channel"), disk, AGENDA, {"tree": tree}) as live:
        live.ends()
    for module in ("health-check", "update-launcher"):
        shutil.copy(PROJECT / f"nix/{module}.nix", tree)

    def starts(title, iso):
        return Machine(run, title, qemu(run.directory, "uefi", [(disk, "target", False), (iso, "stick", True)]))

    with starts("first generation", next_iso(run, tree, "second", SECOND)) as system:
        system.login("root", "demo")
        system.does("stty rows 50 cols 500; echo kept > /var/kept; echo kept > /home/alice/kept")
        system.does("mkdir /run/iso && mount -t iso9660 -o ro /dev/vdb /run/iso && cp /run/iso/nix-cfg-install / && umount /run/iso")
        system.does("cp /dev/vdb /home/second.iso")
        updates(system, "--dry-run --from /home/second.iso", 0, r"(?s)To copy: [1-9].*can be updated. Nothing was written")
        run.stage("a dry run said what would be done from an ISO file")
        system.does(FILL)
        updates(system, "", 7, "(?s)may not fit on the partition at /boot.*starts its former system, as before")
        run.stage("a full boot partition left the former system")
        system.does("rm /boot/fill")
        # What installs prints all logs.
        system.does("rm -f /var/log/nix-cfg-install/*")
        # It finds the stick by itself.
        system.installs("/nix-cfg-install update", "/var/log/nix-cfg-install")
        restarts(system, r"nixos-generation-1\.conf\s+nixos-generation-2\+3\.conf")
    with starts("second generation", next_iso(run, tree, "third", THIRD)) as system:
        is_second(system, "this generation is good")
        system.says("ls /boot/loader/entries | cat", r"nixos-generation-1\.conf\s+nixos-generation-2\.conf")
        system.does(LAUNCHED, 3 * PATIENCE)
        restarts(system, r"nixos-generation-2\.conf\s+nixos-generation-3\+2\.conf")
    for number in range(2):
        with run.installed("uefi", disk) as system:
            system.expect(r"Not active: absent\.service\nThis system is on trial\. Restarting\.")
            system.off()
            run.stage(f"the third generation was started {number + 1} times, and restarted")
    with run.installed("uefi", disk) as system:
        is_second(system)
        system.says("ls /boot/loader/entries | cat", r"nixos-generation-2\.conf\s+nixos-generation-3\+0-2\.conf")
        system.says("/nix-cfg-install status", r"Next start +a former generation; started in vain: generation 3, ")
