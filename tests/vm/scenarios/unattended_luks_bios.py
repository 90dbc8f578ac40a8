"""Without questions, by a BIOS: the root is encrypted with the passphrase in a file, /boot is not, and the console asks for it. On the disk is
an older system in logical volumes, one of them a snapshot of the other, which are active as udev makes them. First, udev gives another disk
the name of the one that is meant. Then an installation is cut off, and the file has another passphrase after that."""

ANSWERS = """
machines:
  - match: all
    disks: /dev/disk/by-id/virtio-target
    passphrase: { file: passphrase }
"""
GRUB = ("boot.loader.systemd-boot.enable = true;", 'boot.loader.grub.device = "/dev/nowhere";')
AGENDA = """
cp -r /live/tree /tmp/nix-cfg
install_system --answers /live/answers.yaml
finish
"""
BEFORE = """
older() {
  printf 'label: gpt\\n,64M\\n,,V\\n' | sfdisk --quiet "$disk"
  udevadm settle
  pvcreate -y "$disk-part2"
  vgcreate older-group "$disk-part2"
  lvcreate -y -n root -L 256M older-group
  lvcreate -y -s -n before -L 64M older-group/root
  udevadm settle
}
twin() {
  mkdir -p /run/udev/rules.d
  echo 'KERNEL=="vdd", SYMLINK+="disk/by-id/virtio-target"' > /run/udev/rules.d/99-twin.rules
  udevadm control --reload
  udevadm trigger --settle /dev/vdd
  code=0
  nix-cfg-install --answers /live/answers.yaml --check --progress plain > /results/twin.log 2>&1 || code=$?
  cat /results/twin.log
  [ $code = 3 ]
  grep 'does not say which disk is meant' /results/twin.log
  grep '/dev/vda, /dev/vdd\\|/dev/vda; /dev/vdd' /results/twin.log
  rm /run/udev/rules.d/99-twin.rules
  udevadm control --reload
  udevadm trigger --settle /dev/vda /dev/vdd
}
twin
older
"""
CUT_OFF = """
nix-cfg-install --progress plain --answers /live/first.yaml > /tmp/said 2>&1 & first=$!
until grep 'Building the system' /tmp/said; do kill -0 $first; sleep 0.2; done
kill -INT $first
wait $first || true
umount -R /mnt
cryptsetup close root
rm /run/nix-cfg-install/begun.json
"""


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", {"configuration.nix": [GRUB]})
    texts = {"answers.yaml": ANSWERS, "passphrase": "open sesame\n"}
    texts |= {"first.yaml": ANSWERS.replace("file: passphrase", "file: first"), "first": "open barley\n"}
    files = {"tree": tree, **{name: run.directory / name for name in texts}}
    for name, text in texts.items():
        files[name].write_text(text)
    agenda = BEFORE + AGENDA.replace("install_system", f"{CUT_OFF}install_system")
    with run.live("bios", run.iso("channel"), disk, agenda, files) as live:
        live.ends()
    run.check_progress()
    with run.installed("bios", disk) as system:
        system.expect("Passphrase for .*: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot ext4")
        system.login("alice", "demo")
        system.says("cat /sys/block/dm-*/dm/uuid", "CRYPT-LUKS2")
        run.stage("logged in")
