#!/usr/bin/env bash
# `grub-fstest IMAGE ls /` of an image that GRUB cannot read prints nothing and exits with 0, as if the image were an empty file
# system. Only `cat` and `cmp` of a file fail.
. "$(dirname "$0")/lib.sh"
debian trixie grub-common=2.12-9+deb13u4 e2fsprogs=1.47.2-3+b12

cat > "$work/root/tmp/run" << 'SCRIPT'
truncate -s 16M /tmp/empty /tmp/zeros
mkfs.ext4 -q -O ^metadata_csum_seed,^orphan_file /tmp/empty
rm -f /tmp/error
for image in zeros empty; do
  said=$(grub-fstest /tmp/$image ls / 2>&1); echo "exit code $?, ${said:-no output}"
done
grub-fstest /tmp/zeros cat /file > /dev/null 2>&1; echo "exit code $?"
SCRIPT
inside grub-fstest --version
mapfile -t answers < <(inside bash /tmp/run)
seen '`grub-fstest ls /` of an image without a file system' 'an error' 'exit code 0, no output' "${answers[0]}"
seen '`grub-fstest ls /` of an ext4' 'exit code 0, lost+found/' 'exit code 0, lost+found/ ' "${answers[1]}"
seen '`grub-fstest cat` of an image without a file system' 'exit code 1' 'exit code 1' "${answers[2]}"
finish
