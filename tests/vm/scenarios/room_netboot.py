"""Machines with a BIOS and with UEFI start over the network from the server of a room: the real dnsmasq, iPXE and nginx, on a network of
their own, as nix/room.sh starts them. Nothing is installed."""

from machine import CACHE, PROJECT, Failed, Machine, qemu

KERNEL = CACHE / "vm-machine/linux-6.6.32/bzImage"
# The BIOS of QEMU has no PXE but the iPXE on its network card; OVMF has its own, which loads iPXE by TFTP.
CARDS = {"bios": "virtio-net-pci,netdev=room,bootindex=1", "uefi": "virtio-net-pci,netdev=room,bootindex=1,romfile="}


def play(run):
    """The scenario."""
    for firmware, card in CARDS.items():
        directory = run.directory / firmware
        directory.mkdir()
        machine = qemu(directory, firmware, [], memory=384)
        at = machine.index("-nic")
        del machine[at : at + 2]
        command = [PROJECT / "tests/vm/room/play", directory, KERNEL, *machine, "-device", card]
        with Machine(run, f"{firmware} client", command) as client:
            client.expect(r"started with: .*nix-cfg-install.medium=http://10.213.0.1\b")
            run.stage(f"{firmware} client: its kernel and initrd came over the network")
            client.off()
        asked = (directory / "access.log").read_text()
        for path in ("/room/start.ipxe", "/boot/netboot.ipxe", "/boot/bzImage", "/boot/initrd"):
            if f" 200 {path} OK" not in asked:
                raise Failed(f"the {firmware} client did not fetch {path}:\n{asked}")
        if firmware == "uefi" and "ipxe.efi to 10.213.0." not in (directory / "dnsmasq.log").read_text():
            raise Failed("the firmware did not load iPXE by TFTP")
