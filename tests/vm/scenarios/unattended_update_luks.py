"""Without questions, by a BIOS: the root is encrypted. The next configuration comes as an update, for which the answers file has the passphrase;
the volume gets the name that the installed system has for it, and the data is there."""

from scenarios.unattended_luks_bios import AGENDA, ANSWERS, GRUB

UPDATE = ANSWERS.replace("disks: /dev/disk/by-id/virtio-target", "mode: update")
CHECK = """
cp -r /live/tree /tmp/nix-cfg
nix-cfg-install --answers /live/wrong.yaml --check 2> /tmp/said || grep 'the passphrase does not open it' /tmp/said
nix-cfg-install --answers /live/answers.yaml --check
if findmnt /mnt || ls /dev/mapper/root; then stuck "the check left it open"; fi
"""


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", {"configuration.nix": [GRUB]})
    names = ["answers.yaml", "passphrase", "wrong.yaml", "wrong"]
    files = {"tree": tree, **{name: run.directory / name for name in names}}
    files["answers.yaml"].write_text(ANSWERS)
    files["passphrase"].write_text("open sesame\n")
    files["wrong"].write_text("open barley\n")
    files["wrong.yaml"].write_text(UPDATE.replace("file: passphrase", "file: wrong"))

    def starts(said):
        system = run.installed("bios", disk)
        system.expect("Passphrase for .*: $")
        system.send("open sesame\n")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot ext4")
        system.login("alice", "demo")
        system.says("cat /etc/motd", said)
        return system

    with run.live("bios", run.iso("channel"), disk, AGENDA, files) as live:
        live.ends()
    with starts("") as system:
        system.does("echo kept > /home/alice/kept; sync")
        run.stage("used")
    (tree / "motd").write_text("from the second configuration\n")
    files["answers.yaml"].write_text(UPDATE)
    run.events.clear()
    with run.live("bios", run.iso("channel"), disk, AGENDA.replace("cp -r /live/tree /tmp/nix-cfg\n", CHECK), files) as live:
        live.ends()
    with starts("from the second configuration") as system:
        system.says("cat /home/alice/kept", "kept")
        system.says("readlink /nix/var/nix/profiles/system", "system-2-link")
        run.stage("updated")
