# A laptop with an Intel Core Ultra, as NixOS 26.11 describes it: LUKS and btrfs.
# Only where nixos/modules/installer/tools/nixos-generate-config.pl has hardware.cpu.intel.npu.enable.
{
  config,
  lib,
  modulesPath,
  ...
}:

{
  imports = [
    (modulesPath + "/installer/scan/not-detected.nix")
  ];

  boot.initrd.availableKernelModules = [
    "xhci_pci"
    "thunderbolt"
    "nvme"
    "usb_storage"
    "sd_mod"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ "kvm-intel" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/mapper/luks-2f6c1d0e-8b3a-4c57-9e10-6a4f5d2b7c83";
    fsType = "btrfs";
    options = [ "subvol=@" ];
  };

  boot.initrd.luks.devices."luks-2f6c1d0e-8b3a-4c57-9e10-6a4f5d2b7c83".device =
    "/dev/disk/by-uuid/2f6c1d0e-8b3a-4c57-9e10-6a4f5d2b7c83";

  fileSystems."/boot" = {
    device = "/dev/disk/by-uuid/5C1E-7A90";
    fsType = "vfat";
    options = [
      "fmask=0077"
      "dmask=0077"
    ];
  };

  swapDevices = [ ];

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  hardware.cpu.intel.npu.enable = true;
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
}
