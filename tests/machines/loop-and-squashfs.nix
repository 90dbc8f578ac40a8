# An appliance: squashfs in a file, a loop-mounted ext2, swap in a file.
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
    "ahci"
    "sd_mod"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ "kvm-intel" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/f9e8d7c6-b5a4-4938-8271-605f4e3d2c1b";
    fsType = "ext4";
  };

  fileSystems."/opt/image" = {
    device = "/var/image.squashfs";
    fsType = "squashfs";
    options = [ "loop" ];
  };

  fileSystems."/opt/scratch" = {
    device = "/var/scratch.img";
    fsType = "ext2";
    options = [ "loop" ];
  };

  fileSystems."/boot" = {
    device = "/dev/disk/by-uuid/9A2C-41D7";
    fsType = "vfat";
    options = [
      "fmask=0022"
      "dmask=0022"
    ];
  };

  swapDevices = [
    {
      device = "/var/swap";
      size = 4096;
    }
  ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
}
