"""Without questions, by a BIOS: the root is encrypted with the passphrase in a file, /boot is not, and the console asks for it. On the disk is
an older system in logical volumes, one of them a snapshot of the other, which are active as udev makes them."""

ANSWERS = """
machines:
  - match: all
    disks: /dev/disk/by-id/virtio-target
    passphrase: { file: passphrase }
"""
GRUB = ("boot.loader.systemd-boot.enable = true;", 'boot.loader.grub.device = "/dev/nowhere";')
AGENDA = """
older() {
  printf 'label: gpt\\n,64M\\n,,V\\n' | sfdisk --quiet "$disk"
  udevadm settle
  pvcreate -y "$disk-part2"
  vgcreate older-group "$disk-part2"
  lvcreate -y -n root -L 256M older-group
  lvcreate -y -s -n before -L 64M older-group/root
  udevadm settle
}
older
cp -r /live/tree /tmp/nix-cfg
install_system --answers /live/answers.yaml
finish
"""


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", {"configuration.nix": [GRUB]})
    files = {"tree": tree, "answers.yaml": run.directory / "answers.yaml", "passphrase": run.directory / "passphrase"}
    files["answers.yaml"].write_text(ANSWERS)
    files["passphrase"].write_text("open sesame\n")
    with run.live("bios", run.iso("channel"), disk, AGENDA, files) as live:
        live.ends()
    run.check_progress()
    with run.installed("bios", disk) as system:
        system.expect("Passphrase for .*: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot ext4")
        system.login("alice", "demo")
        system.says("cat /sys/block/dm-*/dm/uuid", "CRYPT-LUKS2")
        run.stage("logged in")
