"""`nix run DIR#try -- --bios`: the ISO starts up to its prompt, with a disk and without a network card."""


def play(run):
    """The scenario."""
    with run.tries("--bios", "--size", "1G") as live:
        live.says("ls -d /sys/firmware/efi", "No such file")
        live.says("cat /sys/block/vda/size", f"{2 * 1024 * 1024}\n")
        live.shuts_down()
