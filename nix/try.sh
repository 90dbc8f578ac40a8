#!/usr/bin/env bash
# Starts an ISO in QEMU. try.nix puts the paths before this: isos, qemu, firmware_code, firmware_variables, machine.
# shellcheck disable=SC2154
set -euo pipefail

state=${XDG_STATE_HOME:-${HOME:-/tmp}/.local/state}/nix-cfg-install/try
directory=$state firmware=uefi iso='' size=32G memory=4G
from_disk='' fresh='' serial='' network='' accelerators=(-accel kvm -accel tcg)

usage() {
  cat << END
Starts the ISO in a virtual machine that has an empty disk and no network, to try an installation.

    nix run path:DIR#try                 start the ISO; install in its window
    nix run path:DIR#try -- --disk       start what was installed

Options, after \`--\`:
  --disk         start from the disk, without the ISO
  --fresh        begin with an empty disk and new firmware settings; what was installed before is lost
  --bios         a machine with a BIOS instead of UEFI; it has a disk of its own
  --serial       no window: this terminal is the first serial port (Ctrl-A X ends the machine). The ISO's boot menu has
                 an entry for a serial console
  --iso FILE     another ISO, such as one that \`nix-cfg-iso customize\` wrote
  --dir DIR      where the disks are [default: $state]
  --size SIZE    the size of a new disk [default: $size]; the file grows with what is written
  --memory SIZE  the machine's memory [default: $memory]
  --network      give the machine a network card, behind this computer's network
  --no-kvm       emulate the processor, many times slower, where KVM does not work
  --help         show this
  -- ARG…        more arguments for QEMU
END
}

# What is wrong, why, what to do.
fail() {
  printf 'error: %s\n  why: %s\n  what to do: %s\n' "$@" >&2
  exit 1
}

needs_value() {
  [ "$2" -gt 1 ] || fail "$1 needs a value" "It is the last word of the command." "See --help."
}

while [ $# -gt 0 ]; do
  case $1 in
    --disk) from_disk=1 ;;
    --fresh) fresh=1 ;;
    --bios) firmware=bios ;;
    --serial) serial=1 ;;
    --network) network=1 ;;
    --no-kvm) accelerators=(-accel tcg) ;;
    --help | -h) usage; exit 0 ;;
    --iso | --dir | --size | --memory)
      needs_value "$1" $#
      case $1 in
        --iso) iso=$2 ;;
        --dir) directory=$2 ;;
        --size) size=$2 ;;
        --memory) memory=$2 ;;
      esac
      shift
      ;;
    --) shift; break ;;
    *) fail "There is no option $1" "It is not known to \`try\`." "See --help. Arguments for QEMU come after another \`--\`." ;;
  esac
  shift
done

disk=$directory/disk-$firmware.img
variables=$directory/efi-variables.fd
[ -z "$from_disk" ] || [ -z "$fresh" ] ||
  fail "--disk and --fresh exclude each other" "There is nothing to start on an empty disk." "Omit one of them."
if [ -n "$from_disk" ] && [ ! -e "$disk" ]; then
  fail "There is no disk yet" "$disk does not exist." "Run this without --disk first, and install.$(
    [ "$firmware" = uefi ] && [ -e "$directory/disk-bios.img" ] && echo ' There is a disk of a machine with a BIOS: add --bios.'
  )"
fi
[ "$firmware" = uefi ] || [ "${machine[1]}" = q35 ] ||
  fail "There is no BIOS for this ISO" "It is for a processor whose machines have UEFI." "Omit --bios."
if [ -z "$serial" ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  fail "There is no display" "Neither DISPLAY nor WAYLAND_DISPLAY is set." \
    "Add --serial: the machine then uses this terminal. Or run this on a desktop."
fi
if [ -z "$iso" ]; then
  iso=$(find "$isos" -name '*.iso' | head -n 1)
  [ -n "$iso" ] || fail "$isos has no .iso file" "The image is compressed (isoImage.compressImage)." "Decompress it and name it with --iso."
fi
[ -r "$iso" ] || fail "$iso cannot be read" "It does not exist, or belongs to somebody else." "Name another file with --iso."

mkdir -p "$directory"
# QEMU inherits the lock.
exec 9> "$directory/lock"
flock --nonblock 9 ||
  fail "The disk is in use" "A machine that is still on has $directory." "Switch it off, or name another directory with --dir."
[ -z "$fresh" ] || rm -f "$disk" "$variables"
if [ ! -e "$disk" ]; then
  truncate -s "$size" "$disk" || { rm -f "$disk"; fail "No disk of $size" "See above." "Try another --size, such as 32G."; }
  [ "$firmware" = bios ] || rm -f "$variables"
elif [ -z "$from_disk" ]; then
  echo "Using the disk of an earlier run, with what is on it: $disk (--fresh begins with an empty one)" >&2
fi

command=("$qemu" "${machine[@]}" "${accelerators[@]}" -cpu max -smp 2 -m "$memory")
if [ ${#accelerators[@]} -gt 2 ] && [ ! -w /dev/kvm ]; then
  echo "Without KVM, this is many times slower: you may not use /dev/kvm, or the processor's virtualization is off." >&2
fi
if [ "$firmware" = uefi ]; then
  [ -e "$variables" ] || install -m 644 "$firmware_variables" "$variables"
  command+=(-drive "if=pflash,format=raw,readonly=on,file=$firmware_code" -drive "if=pflash,format=raw,file=$variables")
fi
command+=(-drive "if=none,id=disk,format=raw,discard=unmap,file=${disk//,/,,}" -device "virtio-blk-pci,drive=disk,serial=try,bootindex=2")
if [ -z "$from_disk" ]; then
  command+=(-drive "if=none,id=iso,format=raw,media=cdrom,readonly=on,file=${iso//,/,,}")
  command+=(-device virtio-scsi-pci -device "scsi-cd,drive=iso,bootindex=1")
  # A restart ends the installation.
  command+=(-no-reboot)
fi
if [ -n "$network" ]; then command+=(-nic "user,model=virtio-net-pci"); else command+=(-nic none); fi
if [ -n "$serial" ]; then
  command+=(-display none -serial mon:stdio)
  # With this, SeaBIOS and so the boot menu use the serial port.
  [ "$firmware" = uefi ] || command+=(-machine graphics=off)
else
  [ "${machine[1]}" != q35 ] || command+=(-device qemu-xhci)
  command+=(-device usb-tablet)
fi
"${command[@]}" "$@"
if [ -z "$from_disk" ]; then
  echo "The machine is off. To start what was installed, run the same command with --disk${serial:+ --serial}." >&2
fi
