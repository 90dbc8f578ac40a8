"""UEFI, a root in memory: the store and /persist are on the disk, and the configuration is still in /etc/nixos after a restart."""

COMMANDS = r"""
cp -r /iso/nix-cfg /tmp/
chmod -R u+w /tmp/nix-cfg
bind='fsType = "none"; options = [ "bind" ]; }; }'
echo "{ services.greeter.enable = true; fileSystems.\"/persist\".neededForBoot = true;" > /tmp/nix-cfg/modules/greeter.nix
echo "fileSystems.\"/etc/nixos\" = { device = \"/persist/etc/nixos\"; $bind" >> /tmp/nix-cfg/modules/greeter.nix
parted -s /dev/vda -- mklabel gpt mkpart ESP fat32 1MiB 128MiB set 1 esp on mkpart nix ext4 128MiB 1200MiB mkpart persist ext4 1200MiB 100%
mkfs.vfat -F 32 /dev/vda1
mkfs.ext4 -q /dev/vda2
mkfs.ext4 -q /dev/vda3
mkdir -p /mnt
mount -t tmpfs -o mode=755,size=200M none /mnt
mount --mkdir /dev/vda2 /mnt/nix
mount --mkdir /dev/vda3 /mnt/persist
mount --mkdir -o umask=0077 /dev/vda1 /mnt/boot
"""


def play(run):
    """The scenario."""
    disk = run.disk("1500M")
    with run.medium("uefi", run.iso("channel"), disk, stick="scsi") as live:
        live.does_all(COMMANDS)
        live.installs("nix-cfg-install", "/mnt/persist/var/log/nix-cfg-install")
        live.shuts_down()
    run.check_progress()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat")
        system.login("alice", "demo")
        system.says("grep ' / ' /proc/mounts", "tmpfs")
        system.says("head -1 /etc/nixos/configuration.nix", "A small server")
        system.says("ls /persist/var/lib/nix-cfg-install /persist/var/log/nix-cfg-install", "receipt.json")
        run.stage("logged in")
