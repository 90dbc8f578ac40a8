"""BIOS, a layout for disko with LVM, made in the place of an older one of the same names: GRUB starts the kernel from /boot, and the initrd
finds the root in its volume group."""

INSTALL = "--host beta --disko wipe --disk main=$disk --yes"
AGENDA = f"""
older() {{
  sgdisk --new=0:0:0 --typecode=0:8E00 --change-name=0:disk-main-lvm "$disk"
  udevadm settle
  pvcreate -y "$disk-part1"
  vgcreate pool "$disk-part1"
  lvcreate -y -n root -L 256M pool
  udevadm settle
  mkfs.ext4 -q -L older /dev/pool/root
}}
older
nix-cfg-install {INSTALL} --check --progress plain 2>&1 | tee /results/check.log
grep '/dev/mapper/pool-root .* "older"' /results/check.log
install_system {INSTALL}
finish
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("bios", run.iso("disko"), disk, AGENDA) as live:
        live.ends()
    run.check_progress()
    with run.installed("bios", disk) as system:
        system.expect("MiniNixOS 24.05.*: beta is up, .* /boot ext4")
        system.login("bert", "demo")
        system.says("cat /sys/block/dm-*/dm/uuid", r"LVM-(?s:.*)LVM-")
        system.says("grep /dev/ /proc/mounts", r"pool.root / ext4 (?s:.*)pool.home /home ext4 ")
        system.says("ls -d /sys/firmware/efi", "No such file")
        run.stage("logged in")
