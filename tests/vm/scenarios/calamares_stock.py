"""UEFI and Calamares: stock NixOS has the zone, the keyboard and the user that were chosen on the pages, in its own configuration.nix."""

AGENDA = """
start_calamares
partitions=5
go_to 1
choose_berlin
go_to 2
choose_german
go_to $users
type_user Bob secret-words
go_to 4
choose_no_desktop
go_to $partitions
choose_erase
click_install
"""

WRITTEN = (
    '  time.timeZone = "Europe/Berlin";',
    '  console.keyMap = "de";',
    '  services.xserver.xkb.layout = "de";',
    '    LC_TIME = "de_DE.UTF-8";',
    "  users.users.bob = {",
    '    description = "Bob";',
    "  boot.loader.systemd-boot.enable = true;",
)


def play(run):
    """The scenario."""
    disk = run.disk("3G")
    with run.live("uefi", run.iso("stock"), disk, AGENDA) as live:
        live.ends()
    with run.installed("uefi", disk) as system:
        system.expect("MiniNixOS 24.05.*: nixos is up, .* /boot vfat")
        system.login("bob", "secret-words")
        system.says("cat /etc/timezone /etc/vconsole.conf", "Europe/Berlin\nKEYMAP=de")
        system.says("cat /etc/locale.conf", "LANG=en_US.UTF-8\n(.*\n)*LC_TIME=de_DE.UTF-8\n")
        system.says("locales", "^all")
        system.says("ls /etc/nixos", r"\Aconfiguration.nix +hardware-configuration.nix\n\Z")
        for line in WRITTEN:
            system.says(f"grep -cxF '{line}' /etc/nixos/configuration.nix", "1")
        run.stage("all that was chosen is there")
    run.check_bar()
