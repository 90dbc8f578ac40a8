# Of another machine than the virtual one, as nixos-generate-config --no-filesystems writes it. The installer replaces this file.
{ lib, modulesPath, ... }:
{
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  boot.initrd.availableKernelModules = [
    "ahci"
    "sd_mod"
  ];
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
}
