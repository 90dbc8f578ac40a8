"""The command of a virtual machine, emulated by QEMU."""

import shutil
from pathlib import Path

OVMF = Path("/usr/share/OVMF")
# Without AVX: 7.2's vpmaskmovd reads what its mask forbids, and Qt, so Calamares, dies of it.
PROCESSOR = ["-cpu", "max,-cx16,-avx,-avx2"]


def qemu(directory: Path, firmware: str, disks, iso=None, stick=None, memory=1536, network=("-nic", "none"), serial="") -> list:
    """The command of a machine. `disks` are (file, serial, read-only); the ISO is a CD, or was written to a stick: "scsi" or "usb"; `serial`
    is the serial number of the machine."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", *PROCESSOR, "-smp", "2", "-m", str(memory)]
    command += [*network, "-display", "none", "-no-reboot", "-serial", "stdio"]
    command += ["-smbios", f"type=1,serial={serial}"] if serial else []
    # Then SeaBIOS, and so GRUB, speaks and listens on the first serial port.
    command += ["-machine", "graphics=off"] if firmware == "bios" else []
    if firmware == "uefi":
        variables = directory / "efi-variables.fd"
        if not variables.exists():
            shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
        command += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF / 'OVMF_CODE_4M.fd'}"]
        command += ["-drive", f"if=pflash,format=raw,file={variables}"]
    # The order is said each time: OVMF puts a disk that it has not seen before behind its own shell.
    for index, (file, label, read_only) in enumerate(disks):
        mode = ",readonly=on" if read_only else ""
        command += ["-drive", f"if=none,id=disk{index},format=raw,file={file}{mode}"]
        command += ["-device", f"virtio-blk-pci,drive=disk{index},serial={label},bootindex={2 + index}"]
    if iso:
        # Debian's kernel for clouds knows no USB: there, "scsi" is a stick to the firmware and the boot loader.
        bus, device = {
            None: ("virtio-scsi-pci", "scsi-cd"),
            "scsi": ("virtio-scsi-pci", "scsi-hd,removable=on"),
            "usb": ("qemu-xhci", "usb-storage,removable=on"),
        }[stick]
        command += ["-device", bus, "-device", f"{device},drive=iso,bootindex=1"]
        command += ["-drive", f"if=none,id=iso,format=raw,media={'disk' if stick else 'cdrom'},readonly=on,file={iso}"]
    return command
