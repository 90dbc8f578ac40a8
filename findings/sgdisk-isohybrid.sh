#!/usr/bin/env bash
# An ISO that boots from a stick on BIOS and UEFI (xorriso's -isohybrid-gpt-basdat) has an MBR and a GPT at once. sgdisk refuses
# to read it, sfdisk takes it for an MBR disk and can add a partition, and that partition is in the MBR only.
. "$(dirname "$0")/lib.sh"
debian trixie gdisk=1.0.10-2 fdisk=2.41.5-0+deb13u1 xorriso=1.5.6-1.2+b1 isolinux=3:6.04~git20190206.bf6db5b4+dfsg1-3.1 \
  syslinux-common=3:6.04~git20190206.bf6db5b4+dfsg1-3.1 dosfstools=4.2-1.2

cat > "$work/root/tmp/run" << 'SCRIPT'
cd /tmp
mkdir -p tree/isolinux
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 tree/isolinux/
truncate -s 3M tree/efi.img
mkfs.vfat tree/efi.img > /dev/null
xorriso -as mkisofs -quiet -R -V STICK -isohybrid-mbr /usr/lib/ISOLINUX/isohdpfx.bin -b isolinux/isolinux.bin \
  -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table -eltorito-alt-boot -e efi.img -no-emul-boot \
  -isohybrid-gpt-basdat -o stick tree 2> /dev/null
truncate -s 64M stick
sgdisk --print stick > /dev/null 2>&1
echo "exit code $?"
sfdisk --dump stick | grep '^label:'
dd if=stick bs=512 skip=1 count=1 2> /dev/null | head -c 8
echo
echo ',8M,L' | sfdisk --quiet --append stick 2> /dev/null
echo "exit code $?"
sfdisk --dump stick | grep -c ' : start='
SCRIPT
inside sgdisk --version
mapfile -t answers < <(inside bash /tmp/run)
seen 'sgdisk --print' 'exit code 0' 'exit code 2' "${answers[0]}"
seen 'the partition table, says sfdisk' 'label: gpt' 'label: dos' "${answers[1]}"
seen 'the second sector, where a GPT begins' 'EFI PART' 'EFI PART' "${answers[2]}"
seen 'sfdisk --append' 'exit code 0' 'exit code 0' "${answers[3]}"
seen 'partitions after it' 3 3 "${answers[4]}"
finish
