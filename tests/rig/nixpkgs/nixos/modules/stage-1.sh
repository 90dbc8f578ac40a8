#!/bin/sh
# shellcheck disable=SC3045,SC2013 # The shell of busybox knows read -s; words are what the command line has.
# The first program of the initrd: mounts what the configuration names, or the store of a medium, and goes on from there.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /run /root-fs
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
exec < /dev/console > /dev/console 2>&1
echo "stage 1: loading $(tr '\n' ' ' < /etc/modules)"
while read -r module; do modprobe "$module"; done < /etc/modules
for word in $(cat /proc/cmdline); do
  case $word in
    init=*) init=${word#init=} ;;
    root=*) root=${word#root=} ;;
  esac
done

fail() {
  echo "stage 1 failed: $*"
  sync
  poweroff -f
}

# The device of a name as fstab has it, once it is there.
device() {
  tries=0
  while :; do
    case $1 in
      /dev/disk/by-uuid/*) found=$(findfs "UUID=${1##*/}" 2> /dev/null) ;;
      /dev/disk/by-partlabel/*) found=/dev/$(basename "$(dirname "$(grep -lx "PARTNAME=${1##*/}" /sys/class/block/*/uevent)")") ;;
      # What the boot loader says: the medium, by its label.
      /dev/root) found=$(findfs "$root" 2> /dev/null) ;;
      *) found=$1 ;;
    esac
    if [ -n "$found" ] && [ -b "$found" ]; then
      echo "$found"
      return
    fi
    # Without udev, LVM makes the device nodes only when it is told.
    [ ! -e /bin/lvm ] || { lvm vgchange --sysinit --activate y && lvm vgmknodes; } > /dev/null 2>&1
    tries=$((tries + 1))
    [ $tries -lt 40 ] || return 1
    sleep 0.5
  done
}

# As NixOS has it (luksroot.nix): asks until a passphrase opens the volume, and tries it on the next one.
passphrase=''
open_asking() {
  until [ -n "$passphrase" ] && printf %s "$passphrase" | cryptsetup open --key-file - "$2" "$3"; do
    printf 'Passphrase for %s: ' "$1"
    read -rs passphrase < /dev/console
    echo
  done
}

# name device key-file
while read -r name source key; do
  at=$(device "$source") || fail "$source, to be opened as $name, did not appear"
  if [ -n "$key" ]; then
    cryptsetup open --key-file "$key" "$at" "$name" || fail "the key file $key does not open $source"
  else
    open_asking "$source" "$at" "$name"
  fi
  echo "stage 1: opened $name"
done < /etc/luks

while read -r name at type options; do
  case $type in
    tmpfs) source=$name ;;
    squashfs)
      source=/root-fs/$name
      # Debian's kernel does it without being told, and does not take this (SQUASHFS_CHOICE_DECOMP_BY_MOUNT).
      options=${options%,threads=multi}
      ;;
    overlay)
      source=$name
      options=$(echo "$options" | sed 's,dir=/,dir=/root-fs/,g')
      for folder in $(echo "$options" | tr ',' '\n' | sed -n 's/^\(upper\|work\)dir=//p'); do mkdir -p "$folder"; done
      ;;
    *) source=$(device "$name") || fail "$name, to be mounted at $at, did not appear" ;;
  esac
  mkdir -p "/root-fs$at"
  mount -t "$type" -o "$options" "$source" "/root-fs$at" || fail "$name cannot be mounted at $at"
  echo "stage 1: $at is $source"
done < /etc/fstab
[ -x "/root-fs$init" ] || [ -L "/root-fs$init" ] || fail "the root file system has no $init"
mkdir -p /root-fs/dev
mount --move /dev /root-fs/dev
umount /sys /proc
exec switch_root /root-fs "$init"
