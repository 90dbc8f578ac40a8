#!/bin/sh
# Stands in for grub-install: takes what it takes, installs nothing.
for device; do :; done
if [ ! -e "$device" ]; then
  echo "grub-install: error: cannot find a device for $device" >&2
  exit 1
fi
