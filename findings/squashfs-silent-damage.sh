#!/usr/bin/env bash
# squashfs has no checksums. Whether a flipped bit in the data is noticed depends on the compressor: gzip and xz have a checksum;
# zstd as mksquashfs uses it, lz4 and uncompressed blocks do not. unsquashfs then writes wrong data and exits with 0.
. "$(dirname "$0")/lib.sh"
debian trixie squashfs-tools=1:4.6.1-1

cat > "$work/root/tmp/run" << 'SCRIPT'
cd /tmp
mkdir tree
head -c 1000000 /dev/urandom | base64 > tree/file
# Flips one bit at each of 40 offsets in the file's data; prints whether unsquashfs always noticed.
flip() {
  local place byte silent=0
  mksquashfs tree image "$@" -quiet -no-progress -noappend > /dev/null
  for place in $(seq 1000 18000 703000); do
    cp image damaged
    byte=$(od -An -tu1 -j "$place" -N 1 damaged)
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of=damaged bs=1 seek="$place" conv=notrunc 2> /dev/null
    rm -rf out
    if unsquashfs -q -n -d out damaged > /dev/null 2>&1 && ! cmp -s out/file tree/file; then silent=$((silent + 1)); fi
  done
  if [ "$silent" = 0 ]; then echo 'always noticed'; else echo 'not always noticed'; fi
}
flip -comp gzip
flip -comp xz
flip -comp zstd
flip -comp lz4
flip -noD -noF
SCRIPT
echo 'squashfs-tools 4.6.1'
mapfile -t answers < <(inside bash /tmp/run)
seen gzip 'always noticed' 'always noticed' "${answers[0]}"
seen xz 'always noticed' 'always noticed' "${answers[1]}"
seen zstd 'always noticed' 'not always noticed' "${answers[2]}"
seen lz4 'always noticed' 'not always noticed' "${answers[3]}"
seen 'not compressed' 'always noticed' 'not always noticed' "${answers[4]}"
finish
