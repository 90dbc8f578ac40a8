#!/usr/bin/env bash
# implantisomd5 reports success for an image of some 400 kB, and checkisomd5 then calls that image damaged: fewer sums of fragments
# are written than are compared. An image of 800 kB passes.
. "$(dirname "$0")/lib.sh"
debian trixie isomd5sum=1:1.2.3-5+b8 xorriso=1.5.6-1.2+b1

cat > "$work/root/tmp/run" << 'SCRIPT'
for size in 1 400; do
  mkdir /tmp/$size
  dd if=/dev/zero of=/tmp/$size/file bs=1k count=$size 2> /dev/null
  xorriso -as mkisofs -quiet -R -V IMAGE -o /tmp/$size.iso /tmp/$size 2> /dev/null
  implantisomd5 /tmp/$size.iso > /dev/null && echo 'exit code 0'
  sums=$(grep -a -o 'FRAGMENT SUMS = [0-9a-f]*' /tmp/$size.iso)
  echo "$((${#sums} - 16)) digits"
  checkisomd5 /tmp/$size.iso > /dev/null 2>&1 < /dev/null
  echo "exit code $?"
done
SCRIPT
echo 'isomd5sum 1:1.2.3-5+b8'
mapfile -t answers < <(inside bash /tmp/run)
seen 'implantisomd5 on an image with a file of 1 kB' 'exit code 0' 'exit code 0' "${answers[0]}"
seen 'the sums of its 20 fragments' '60 digits' '30 digits' "${answers[1]}"
seen 'checkisomd5 on it' 'exit code 0' 'exit code 1' "${answers[2]}"
seen 'the sums in an image with a file of 400 kB' '60 digits' '60 digits' "${answers[4]}"
seen 'checkisomd5 on that' 'exit code 0' 'exit code 0' "${answers[5]}"
finish
