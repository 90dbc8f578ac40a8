#!/usr/bin/env bash
# xorriso's `-boot_image any replay` makes a changed copy of an ISO "with the same boot equipment". The copy of an image with
# Joliet names has none, unless `-joliet on` is given as well; no message says so.
. "$(dirname "$0")/lib.sh"
debian trixie xorriso=1.5.6-1.2+b1

cat > "$work/root/tmp/run" << 'SCRIPT'
mkdir /tmp/tree
echo text > /tmp/tree/Long-File-Name.text
xorriso -as mkisofs -quiet -J -R -V IMAGE -o /tmp/first.iso /tmp/tree 2> /dev/null
copy() { xorriso -indev /tmp/first.iso -outdev "$1" -boot_image any replay "${@:2}" -volid COPY -commit > "$1.log" 2>&1; }
copy /tmp/plain.iso
copy /tmp/joliet.iso -joliet on
# The supplementary volume descriptor (type 2) with the escape sequence of UCS-2 level 3 is Joliet's.
joliet() { if dd if="$1" bs=2048 skip=16 count=8 2> /dev/null | grep -qaF '%/E'; then echo 'has Joliet'; else echo 'has none'; fi; }
joliet /tmp/first.iso
joliet /tmp/plain.iso
joliet /tmp/joliet.iso
SCRIPT
inside xorriso --version 2> /dev/null | head -n 1
mapfile -t answers < <(inside bash /tmp/run)
seen 'the image' 'has Joliet' 'has Joliet' "${answers[0]}"
seen 'its copy by replay' 'has Joliet' 'has none' "${answers[1]}"
seen 'its copy by replay and -joliet on' 'has Joliet' 'has Joliet' "${answers[2]}"
finish
