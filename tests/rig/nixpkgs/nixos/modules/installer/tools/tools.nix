# The programs with which a person installs, on the live systems that start (see pkgs/default.nix).
{ lib, pkgs, ... }:
{
  environment.systemPackages = lib.optionals (pkgs.nixos-install-tools != null) [
    pkgs.nixos-install-tools
    pkgs.dosfstools
    pkgs.e2fsprogs
    pkgs.parted
  ];
}
