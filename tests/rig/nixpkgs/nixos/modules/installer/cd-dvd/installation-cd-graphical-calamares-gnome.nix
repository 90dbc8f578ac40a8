# The live system with a desktop: as far as this project touches it, the packages of Calamares.
{ pkgs, ... }:
{
  imports = [ ./installation-cd-minimal.nix ];
  environment.systemPackages = [
    pkgs.calamares-nixos
    pkgs.calamares-nixos-extensions
  ];
}
