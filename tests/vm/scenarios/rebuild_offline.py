"""The installed machine, alone with its disk, is given another configuration, rebuilds itself from it and starts into it."""

AGENDA = """
cp -r /live/tree /tmp/nix-cfg
partition_uefi
mount_uefi
install_system
finish
"""
# Who rebuilds has to be root.
HASH = "$6$demo$xaYAg242RG/EY4k/kcP49.T.9VhXcRON0IgP0S5Gd6sjdtt8oMWkfCFu.PE6zK1w/06gz0EXGQVnxkVH2TZxG0"
ROOT = [("  users.users.alice", f'  users.users.root.initialHashedPassword = "{HASH}";\n  users.users.alice')]
CHANGE = "s/channel-demo/renamed/; s/users.users.alice/users.users.bob/; s/ pkgs.cowsay / /"


def play(run):
    """The scenario."""
    tree = run.tree("channel", {"configuration.nix": ROOT})
    disk = run.disk("1500M")
    with run.live("uefi", run.iso("channel"), disk, AGENDA, {"tree": tree}) as live:
        live.expect("stay for rebuilding without a network", live.work)
        live.ends()
    with run.installed("uefi", disk) as system:
        system.login("root", "demo")
        system.says("which cowsay", "/run/current-system/sw/bin/cowsay")
        system.says("nix-collect-garbage", "store paths deleted")
        system.says(f"sed -i '{CHANGE}' /etc/nixos/configuration.nix", "")
        run.stage("rebuilds")
        system.says("nixos-rebuild boot && echo has been rebuilt", "(?m)^has been rebuilt")
        run.stage("rebuilt")
        system.send("sync; umount /boot; reboot -f\n")
        system.off()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS .*: renamed is up, .* /boot vfat")
        system.login("bob", "demo")
        system.says("which cowsay || echo there is none", "^there is none")
