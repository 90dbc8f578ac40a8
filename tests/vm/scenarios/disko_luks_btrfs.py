"""UEFI, a layout for disko (GPT, LUKS, btrfs with subvolumes) on another disk than it names, which is not empty; the passphrase that was
given opens it when it starts. That the root is encrypted is seen on the finished disk, too."""

AGENDA = """
mkfs.ext4 -q -L old "$disk"
echo 'open sesame' > /run/passphrase
install_system --host alpha --disko wipe --disk main=$disk --passphrase-file /run/passphrase --yes
grep -F "$disk" /mnt/etc/nixos/hosts/alpha/machine.nix
echo KEYMAP=fr > /etc/vconsole.conf
nix-cfg-install --host alpha --check --progress plain 2>&1 | tee /results/check.log
grep 'passphrase of the disk with another keymap: `us`' /results/check.log
finish
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("uefi", run.iso("disko"), disk, AGENDA) as live:
        live.ends()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("Passphrase for /dev/disk/by-partlabel/disk-main-root: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: alpha is up, .* /boot vfat")
        system.login("ada", "demo")
        system.says("cat /sys/block/dm-*/dm/uuid", "CRYPT-LUKS2")
        system.says("grep ' btrfs ' /proc/mounts", r"crypted / btrfs .*subvol=/root(?s:.*) /nix btrfs .*subvol=/nix(?s:.*) /home btrfs .*subvol=/home")
        run.stage("logged in")
