# What only the installer knew of this machine. hardware-configuration.nix beside it imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  # In the graphical installer it was decided to install no boot loader.
  boot.loader.grub.enable = lib.mkForce false;
}
