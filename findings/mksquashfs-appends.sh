#!/usr/bin/env bash
# mksquashfs adds to an output that exists and is a squashfs, instead of replacing it: a second run gives an image with the old
# file under its name and the new one beside it, and exits with 0. `-noappend` replaces it.
. "$(dirname "$0")/lib.sh"
debian trixie squashfs-tools=1:4.6.1-1

cat > "$work/root/tmp/run" << 'SCRIPT'
cd /tmp
mkdir tree
for text in old new; do
  echo "$text" > tree/file
  mksquashfs tree image -quiet -no-progress > /dev/null 2>&1
  mksquashfs tree replaced -quiet -no-progress -noappend > /dev/null 2>&1
done
echo "exit code $?"
for image in image replaced; do
  unsquashfs -cat "$image" file
  unsquashfs -ls "$image" | grep -c /file
done
SCRIPT
inside mksquashfs -version 2> /dev/null | head -n 1 || true
mapfile -t answers < <(inside bash /tmp/run)
seen 'the second run' 'exit code 0' 'exit code 0' "${answers[0]}"
seen 'the file in the image' new old "${answers[1]}"
seen 'files in the image' 1 2 "${answers[2]}"
seen 'with -noappend, the file' new new "${answers[3]}"
seen 'with -noappend, files' 1 1 "${answers[4]}"
finish
