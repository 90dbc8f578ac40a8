#!/usr/bin/env bash
# mkfs.xfs 6.18 and later enables two features by default (exchange and parent) that GRUB reads from 2.14 on. GRUB 2.12 does
# not name the feature: to grub-install and grub-probe it is an unknown file system, as if it were no XFS at all.
. "$(dirname "$0")/lib.sh"

# One answer for each image in /tmp: `read`, or GRUB's complaint.
cat > "$work/read" << 'SCRIPT'
for image in default-of-6.13 default-of-7.2 without; do
  [ -e /tmp/$image ] || continue
  if grub-fstest /tmp/$image cat /file 2> /tmp/error | cmp -s - /tmp/file; then echo read; else
    grep -o 'unknown filesystem' /tmp/error; fi
done
SCRIPT
cat > "$work/make" << 'SCRIPT'
echo 'the contents of a file' > /tmp/file
printf '/\n0 0\nd--755 0 0\nfile ---644 0 0 /tmp/file\n$\n$\n' > /tmp/prototype
image() { truncate -s 400M "/tmp/$1"; mkfs.xfs -q -p /tmp/prototype "${@:2}" "/tmp/$1"; }
mkfs.xfs -V
SCRIPT

debian trixie grub-common=2.12-9+deb13u4 xfsprogs=6.13.0-2+deb13u1
mv "$work/root" "$work/trixie"
debian forky grub-common=2.14-4 xfsprogs=7.2.0-1
{ cat "$work/make"; echo 'image default-of-7.2; image without -i exchange=0 -n parent=0'; } > "$work/root/tmp/make"
cp "$work/read" "$work/root/tmp/"
inside bash /tmp/make
inside grub-fstest --version
mapfile -t new < <(inside bash /tmp/read)
mv "$work/root" "$work/forky"

mv "$work/trixie" "$work/root"
{ cat "$work/make"; echo 'image default-of-6.13'; } > "$work/root/tmp/make"
cp "$work/read" "$work/forky/tmp/default-of-7.2" "$work/forky/tmp/without" "$work/root/tmp/"
inside bash /tmp/make
inside grub-fstest --version
mapfile -t old < <(inside bash /tmp/read)

seen 'GRUB 2.14 on an XFS of mkfs.xfs 7.2' read read "${new[0]}"
seen 'GRUB 2.12 on an XFS of mkfs.xfs 6.13' read read "${old[0]}"
seen 'GRUB 2.12 on an XFS of mkfs.xfs 7.2' 'read, or "unsupported XFS feature"' 'unknown filesystem' "${old[1]}"
seen 'GRUB 2.12, and -i exchange=0 -n parent=0' read read "${old[2]}"
finish
