"""`nix-cfg-iso customize`: the ISO has another host, configuration and settings, and starts by both firmwares as the first one."""

import re
import subprocess

from machine import PROJECT, Failed

# It is not on the ISO.
HTOP = ("{ dotfiles, ... }:\n{", "{ dotfiles, pkgs, ... }:\n{\n  environment.systemPackages = [ pkgs.htop ];")
LOADER = ("boot.loader.systemd-boot.enable = true;", 'boot.loader.grub.device = "/dev/vda";')
BETA = "hosts/beta/default.nix"
# Where files are, and how large the image is.
MOVES = re.compile(r"^(El Torito (catalog|boot img)|ISO image size|MBR partition  |GPT (lba range|start and size)|ISO session|Media|Drive current)")


def report(iso) -> list[str]:
    """What xorriso says of an ISO: what starts it, its partitions, its name and dates, Joliet."""
    command = ["xorriso", "-no_rc", "-indev", iso, "-report_el_torito", "plain", "-report_system_area", "plain", "-toc", "-pvd_info"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if not MOVES.match(line)]


def customized(run, iso, name: str, *options):
    """A changed copy."""
    out = run.directory / f"{name}.iso"
    program = PROJECT / "target/x86_64-unknown-linux-gnu/release/nix-cfg-iso"
    said = subprocess.run([program, "customize", iso, out, *options], check=False, capture_output=True, text=True)
    if said.returncode:
        raise Failed(said.stderr)
    run.stage(f"wrote {name}.iso")
    before, after = report(iso), report(out)
    if before != after or "ISO offers   : Rock_Ridge Joliet" not in after:
        raise Failed("\n".join(["xorriso sees another ISO:", *sorted(set(before) ^ set(after))]))
    # The disk's identifier in the master boot record.
    if iso.read_bytes()[440:446] != out.read_bytes()[440:446]:
        raise Failed("the master boot record has another identifier")
    return out


def play(run):
    """The scenario."""
    tree = run.tree("flake", {BETA: [LOADER]})
    first = customized(run, run.iso("flake"), "first", "--set", "host=beta", "--config", tree)
    disk = run.disk("1500M")
    with run.medium("bios", first, disk, stick="scsi") as live:
        live.does_all("""
            parted -s /dev/vda -- mklabel msdos mkpart primary ext4 1MiB 100% set 1 boot on
            mkfs.ext4 -q /dev/vda1
            mount --mkdir /dev/vda1 /mnt
        """)
        live.installs("nix-cfg-install")
        live.shuts_down()
    with run.installed("bios", disk) as system:
        system.expect("MiniNixOS 24.05.*: beta is up, .* /boot on the root file system")
    # Changed once more: what was set before stays.
    (tree / BETA).write_text((tree / BETA).read_text().replace(*HTOP))
    second = customized(run, first, "second", "--config", tree, "--set", "read-image=false")
    with run.medium("uefi", second, run.disk("1500M")) as live:
        live.says("cat /iso/nix-cfg-install.yaml", "host: beta\nread-image: false\n")
        live.says("nix-cfg-install --check", "htop")
        live.shuts_down()
