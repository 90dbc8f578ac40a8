# The system's init: activates it, mounts what fstab says, and offers a login on the consoles. @shell@, @busybox@, @shadow@, @system@
export PATH=@busybox@/bin
system=@system@
host=$(cat "$system/etc/hostname")
echo "this is $host"
# A person may look at it in a chroot.
[ $$ = 1 ] || exit 0

mkdir -p /proc /sys /dev /run /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs run /run
[ -e /dev/null ] || mount -t devtmpfs dev /dev
# Nix gives each builder a terminal.
mkdir -p /dev/pts && mount -t devpts devpts /dev/pts
exec < /dev/console > /dev/console 2>&1
"$system/activate"
hostname "$host"
grep -v '^#' /etc/fstab | while read -r device at type options _; do
  case $device in
    /dev/disk/by-uuid/*) device=$(findfs "UUID=${device##*/}") || echo "$device of $at is not there" ;;
    /dev/disk/by-partlabel/*) device=/dev/$(basename "$(dirname "$(grep -lx "PARTNAME=${device##*/}" /sys/class/block/*/uevent)")") ;;
  esac
  case $at in
    /) mount -o "remount,rw,$options" / ;;
    none) swapon "$device" ;;
    # Not what the initrd has mounted.
    *) grep -q " $at " /proc/mounts || { mkdir -p "$at" && mount -t "$type" -o "$options" "$device" "$at"; } ;;
  esac
done
[ ! -e "$system/etc/post-boot" ] || PATH=$system/sw/bin sh -eu "$system/etc/post-boot"
[ ! -e "$system/etc/tmpfiles.d/links" ] || while read -r _ link _ _ _ _ of; do
  mkdir -p "${link%/*}"
  ln -sfn "$of" "$link"
done < "$system/etc/tmpfiles.d/links"
for card in /sys/class/net/*; do
  card=${card##*/}
  ip link set "$card" up
  [ "$card" = lo ] || [ ! -e "$system/etc/dhcp" ] || udhcpc -i "$card" -n -q -t 5 -T 3 -s "$system/etc/dhcp"
done
# PAM looks for it there, and starts it without a PATH.
mkdir -p /usr/sbin
echo '#!/bin/sh
exec @shadow@/lib/ld-linux-x86-64.so.2 --library-path @shadow@/lib @shadow@/libexec/unix_chkpwd "$@"' > /usr/sbin/unix_chkpwd
chmod 755 /usr/sbin/unix_chkpwd
sync
swap=$(tail -n +2 /proc/swaps | wc -l)
boot=$(grep ' /boot ' /proc/mounts | cut -d' ' -f3)
echo "MiniNixOS $(cat "$system/nixos-version"): $host is up, from $system, /boot ${boot:-on the root file system}, swap devices $swap"
# What busybox' poweroff and reboot tell process 1.
trap 'umount -a -r 2> /dev/null; sync; poweroff -f' USR2
trap 'umount -a -r 2> /dev/null; sync; reboot -f' TERM
[ ! -e "$system/etc/start" ] || sh "$system/etc/start"
# Where systemd-boot counts starts: a system that is good loses its counter, as systemd-bless-boot does it.
efivars=/sys/firmware/efi/efivars
if [ -e "$system/etc/boot-complete" ] && mount -t efivarfs efivarfs $efivars; then
  counted=$efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
  if [ -e "$counted" ] && PATH=$system/sw/bin sh "$system/etc/boot-complete"; then
    entry=/boot$(tail -c +5 "$counted" | tr -d '\0' | tr '\\' /)
    mv "$entry" "${entry%+*}.conf" && echo "this generation is good"
  fi
  umount $efivars
fi
login=@shadow@/bin/login ask=''
if [ -e "$system/etc/autologin" ]; then
  printf '#!/bin/sh\nexec %s -f %s\n' "$login" "$(cat "$system/etc/autologin")" > /run/login
  chmod 755 /run/login
  login=/run/login ask=-n
fi
respawn() {
  while :; do
    setsid getty -L $ask -l "$login" "$1" 115200 vt100
    sleep 1
  done
}
respawn ttyS0 &
while :; do wait; sleep 1; done
