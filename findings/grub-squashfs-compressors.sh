#!/usr/bin/env bash
# GRUB's squashfs driver reads images that are compressed with gzip, xz and lzo. For zstd, which NixOS uses for its ISO images, and
# lz4 it reports an unknown file system instead of an unknown compressor.
. "$(dirname "$0")/lib.sh"
debian trixie grub-common=2.12-9+deb13u4 squashfs-tools=1:4.6.1-1

cat > "$work/root/tmp/run" << 'SCRIPT'
mkdir /tmp/tree
for i in $(seq 300); do echo "line $i"; done > /tmp/tree/file
for compressor in gzip xz lzo zstd lz4; do
  mksquashfs /tmp/tree /tmp/image -comp $compressor -noappend -quiet -no-progress > /dev/null
  if grub-fstest /tmp/image cat /file 2> /tmp/error | cmp -s - /tmp/tree/file; then echo read; else
    grep -o 'unknown filesystem' /tmp/error; fi
done
SCRIPT
inside grub-fstest --version
mapfile -t answers < <(inside bash /tmp/run)
for i in 0 1 2; do seen "squashfs with $(echo gzip xz lzo | cut -d' ' -f$((i + 1)))" read read "${answers[$i]}"; done
seen 'squashfs with zstd' 'read, or "unsupported compressor"' 'unknown filesystem' "${answers[3]}"
seen 'squashfs with lz4' 'read, or "unsupported compressor"' 'unknown filesystem' "${answers[4]}"
finish
