"""UEFI and Calamares, a host whose layout for disko makes the disk: the page "Disk" shows what is lost, the disk's name and a passphrase are
typed, and the machine starts with both."""

AGENDA = """
use_disk
users=4 partitions=5
start_calamares
choose_first_host
go_to $users
type_user Ada secret-words
go_to $partitions
choose_disk
confirm_disk vda 'open sesame'
shot disk
click_install
[ -z "$(findmnt /mnt)" ]
! grep -r --exclude=agenda.log 'open sesame' /results /var/log /root/.cache /run/nix-cfg-install
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("uefi", run.iso("disko"), disk, AGENDA) as live:
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("Passphrase for /dev/disk/by-partlabel/disk-main-root: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: alpha is up, .* /boot vfat")
        system.login("ada", "secret-words")
        system.says("grep ' btrfs ' /proc/mounts", r"crypted / btrfs .*subvol=/root")
        system.says("cat /etc/nixos/hosts/alpha/machine.nix", r'main\.device = lib\.mkForce "/dev/disk/by-id/virtio-target"')
        run.stage("logged in with the password that was typed in Calamares")
    run.check_bar()
