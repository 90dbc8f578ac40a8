#!/usr/bin/env bash
# `wipefs --all` leaves the partition table of a disk image that is a file (a "non-whole disk device" to it) and exits with 0.
# With --force it erases it.
. "$(dirname "$0")/lib.sh"
debian trixie util-linux=2.41.5-0+deb13u1 fdisk=2.41.5-0+deb13u1

cat > "$work/root/tmp/run" << 'SCRIPT'
truncate -s 64M /tmp/disk
printf 'label: gpt\n,16M,L\n' | sfdisk --quiet /tmp/disk
table() { sfdisk --dump /tmp/disk 2> /dev/null | head -n 1 | grep . || echo none; }
wipefs --all /tmp/disk > /dev/null 2>&1
echo "exit code $?"
table
wipefs --all --force /tmp/disk > /dev/null 2>&1
table
SCRIPT
inside wipefs --version
mapfile -t answers < <(inside bash /tmp/run)
seen 'wipefs --all of an image with a GPT' 'exit code 0' 'exit code 0' "${answers[0]}"
seen 'the partition table after it' none 'label: gpt' "${answers[1]}"
seen 'the partition table after --force' none none "${answers[2]}"
finish
