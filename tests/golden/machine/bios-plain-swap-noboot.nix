# What only the installer knew of this machine. hardware-configuration.nix beside it imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  # This machine starts from a BIOS: GRUB belongs on the disk that was chosen, whichever one the configuration
  # names.
  boot.loader.grub.devices = lib.mkForce [ "/dev/sda" ];
}
