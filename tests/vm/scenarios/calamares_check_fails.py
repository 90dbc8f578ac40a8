"""Calamares, and a configuration that wants a package which is not on the ISO: it is named, and the disk is as it was."""

AGENDA = """
cp -r /live/tree /tmp/nix-cfg
beginning() { head -c 4M $disk | sha256sum; }
yes 'what was here before' | head -c 4M | dd of=$disk bs=1M status=none
before=$(beginning)
start_calamares
go_to $users
type_user Alice secret-words
go_to $partitions
choose_erase
code=0
click_install || code=$?
[ $code = 1 ]
grep 'message: .*htop' /results/calamares.log
[ -z "$(grep 'Starting job.*partition' /results/calamares.log)" ]
[ "$before" = "$(beginning)" ]
stage "the disk is as it was"
"""
WANTED = [("[ pkgs.cowsay ]", "[ pkgs.cowsay pkgs.htop ]")]


def play(run):
    """The scenario."""
    disk, tree = run.disk("3G"), run.tree("channel", {"configuration.nix": WANTED})
    with run.live("uefi", run.iso("channel"), disk, AGENDA, {"tree": tree}) as live:
        live.ends()
