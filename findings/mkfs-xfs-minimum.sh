#!/usr/bin/env bash
# mkfs.xfs makes no file system of less than 300 MB: a /boot of 256 MiB is refused, after the disk was partitioned for it. The
# manual page mentions the minimum under the data section.
. "$(dirname "$0")/lib.sh"
debian trixie xfsprogs=6.13.0-2+deb13u1

cat > "$work/root/tmp/run" << 'SCRIPT'
for size in 256 299 300; do
  truncate -s "${size}M" "/tmp/$size"
  if mkfs.xfs -q "/tmp/$size" > /dev/null 2>&1; then echo made; else echo refused; fi
done
SCRIPT
inside mkfs.xfs -V
mapfile -t answers < <(inside bash /tmp/run)
seen 'XFS of 256 MiB' made refused "${answers[0]}"
seen 'XFS of 299 MiB' made refused "${answers[1]}"
seen 'XFS of 300 MiB' made made "${answers[2]}"
finish
