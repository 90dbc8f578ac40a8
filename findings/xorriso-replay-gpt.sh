#!/usr/bin/env bash
# A copy by xorriso's `-boot_image any replay` has another disk GUID in its GPT, another identifier in its master boot record, and
# its backup GPT is not in the last block: native mode appends its padding of 300 KiB after it, `-as mkisofs` includes it.
. "$(dirname "$0")/lib.sh"
debian trixie xorriso=1.5.6-1.2+b1 isolinux=3:6.04~git20190206.bf6db5b4+dfsg1-3.1 xxd

cat > "$work/root/tmp/run" << 'SCRIPT'
mkdir /tmp/tree
cp /usr/lib/ISOLINUX/isolinux.bin /tmp/tree/
dd if=/dev/zero of=/tmp/tree/efi.img bs=1k count=2048 2> /dev/null
xorriso -boot_image any gpt_disk_guid=000102030405060708090a0b0c0d0e0f -as mkisofs -quiet -J -R -V IMAGE -b isolinux.bin \
  -no-emul-boot -boot-load-size 4 -boot-info-table -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin -eltorito-alt-boot -e efi.img \
  -no-emul-boot -isohybrid-gpt-basdat -o /tmp/first.iso /tmp/tree 2> /dev/null
copy() { xorriso -indev /tmp/first.iso -outdev "$1" -boot_image any replay -joliet on "${@:2}" -volid COPY -commit > "$1.log" 2>&1; }
copy /tmp/copy.iso
copy /tmp/asked.iso -boot_image any gpt_disk_guid=000102030405060708090a0b0c0d0e0f -padding included
bytes() { xxd -p -s "$2" -l "$3" "$1"; }
guid() { [ "$(bytes "$1" 568 16)" = "$(bytes /tmp/first.iso 568 16)" ] && echo 'the same' || echo 'another'; }
mbr() { [ "$(bytes "$1" 440 4)" = "$(bytes /tmp/first.iso 440 4)" ] && echo 'the same' || echo 'another'; }
# The backup's signature in the last block of 512 bytes.
backup() { [ "$(bytes "$1" $(($(stat -c %s "$1") - 512)) 8)" = 4546492050415254 ] && echo 'in the last block' || echo 'elsewhere'; }
backup /tmp/first.iso
guid /tmp/copy.iso
mbr /tmp/copy.iso
backup /tmp/copy.iso
guid /tmp/asked.iso
backup /tmp/asked.iso
SCRIPT
inside xorriso --version 2> /dev/null | head -n 1
mapfile -t answers < <(inside bash /tmp/run)
seen 'the backup GPT of the image' 'in the last block' 'in the last block' "${answers[0]}"
seen 'the disk GUID of its copy by replay' 'the same' 'another' "${answers[1]}"
seen 'the identifier in the master boot record of the copy' 'the same' 'another' "${answers[2]}"
seen 'the backup GPT of the copy' 'in the last block' 'elsewhere' "${answers[3]}"
seen 'the disk GUID, with gpt_disk_guid=' 'the same' 'the same' "${answers[4]}"
seen 'the backup GPT, with -padding included' 'in the last block' 'in the last block' "${answers[5]}"
finish
