"""UEFI and Calamares: its page encrypts the root and the swap; the passphrase that was typed there opens both at the serial console."""

AGENDA = """
start_calamares
go_to $users
type_user Alice secret-words
go_to $partitions
choose_erase
choose_swap
encrypt_with open-sesame
click_install
"""


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("uefi", run.iso("channel"), disk, AGENDA) as live:
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("Passphrase for .*: $")
        system.send("open-sesame\n")
        system.expect("MiniNixOS 24.05.*: channel-demo is up, .* /boot vfat, swap devices 1")
        run.stage("the passphrase that was typed in Calamares opened both")
        system.login("alice", "secret-words")
        system.says("cat /proc/swaps /sys/block/dm-*/dm/uuid", r"/dev/(?s:.*)CRYPT-LUKS2(?s:.*)CRYPT-LUKS2")
    run.check_bar()
