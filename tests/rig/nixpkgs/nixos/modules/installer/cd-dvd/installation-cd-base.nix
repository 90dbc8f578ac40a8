# As nixpkgs': an ordinary definition of `fileSystems` is dropped.
{ config, lib, ... }:
{
  imports = [ ./iso-image.nix ];
  swapDevices = lib.mkImageMediaOverride [ ];
  fileSystems = lib.mkImageMediaOverride config.lib.isoFileSystems;
}
