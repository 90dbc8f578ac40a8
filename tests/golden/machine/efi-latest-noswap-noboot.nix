# What only the installer knew of this machine. hardware-configuration.nix beside it imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, pkgs, ... }:
{
  # The installation medium was started with the latest kernel, so this machine may need it. What the configuration says
  # has priority: this is only stronger than the default of NixOS.
  boot.kernelPackages = lib.mkOverride 1400 pkgs.linuxPackages_latest;
}
