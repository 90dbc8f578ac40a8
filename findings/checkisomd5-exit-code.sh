#!/usr/bin/env bash
# checkisomd5 exits with 1 for a damaged image and for one that has no checksum: a script cannot tell them apart by the exit
# code.
. "$(dirname "$0")/lib.sh"
debian trixie isomd5sum=1:1.2.3-5+b8 xorriso=1.5.6-1.2+b1

cat > "$work/root/tmp/run" << 'SCRIPT'
mkdir /tmp/tree
dd if=/dev/urandom of=/tmp/tree/file bs=1M count=6 2> /dev/null
xorriso -as mkisofs -quiet -R -V IMAGE -o /tmp/without.iso /tmp/tree 2> /dev/null
cp /tmp/without.iso /tmp/with.iso
implantisomd5 /tmp/with.iso > /dev/null
cp /tmp/with.iso /tmp/damaged.iso
printf x | dd of=/tmp/damaged.iso bs=1 seek=3000000 conv=notrunc 2> /dev/null
for image in with damaged without; do checkisomd5 /tmp/$image.iso > /dev/null 2>&1 < /dev/null; echo "exit code $?"; done
SCRIPT
echo 'isomd5sum 1:1.2.3-5+b8'
mapfile -t answers < <(inside bash /tmp/run)
seen 'a whole image' 'exit code 0' 'exit code 0' "${answers[0]}"
seen 'a damaged image' 'exit code 1' 'exit code 1' "${answers[1]}"
seen 'an image without a checksum' 'another exit code than for damage' 'exit code 1' "${answers[2]}"
finish
