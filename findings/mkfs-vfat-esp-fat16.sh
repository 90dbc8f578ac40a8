#!/usr/bin/env bash
# mkfs.vfat chooses the FAT's width by the size: below 512 MiB a partition gets FAT16, although the UEFI specification asks for
# FAT32 on the EFI system partition of a fixed disk. Only `-F 32` makes it so.
. "$(dirname "$0")/lib.sh"
debian trixie dosfstools=4.2-1.2 util-linux

cat > "$work/root/tmp/run" << 'SCRIPT'
width() { mkfs.vfat "${@:2}" "$1" > /dev/null && blkid --probe --output value --match-tag VERSION "$1"; }
truncate -s 256M /tmp/small; truncate -s 511M /tmp/medium; truncate -s 512M /tmp/large
width /tmp/small
width /tmp/medium
width /tmp/large
width /tmp/small -F 32
SCRIPT
echo 'dosfstools 4.2-1.2'
mapfile -t answers < <(inside bash /tmp/run)
seen 'an ESP of 256 MiB' FAT32 FAT16 "${answers[0]}"
seen 'an ESP of 511 MiB' FAT32 FAT16 "${answers[1]}"
seen 'an ESP of 512 MiB' FAT32 FAT32 "${answers[2]}"
seen 'an ESP of 256 MiB, with -F 32' FAT32 FAT32 "${answers[3]}"
finish
