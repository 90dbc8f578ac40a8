# Ryzen desktop: ext4, two disks, Windows beside it.
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
    "nvme"
    "xhci_pci"
    "ahci"
    "usbhid"
    "usb_storage"
    "sd_mod"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ "kvm-amd" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/e1b7a0c4-93f2-4d6e-8a15-0c2b7f9e6d48";
    fsType = "ext4";
  };

  fileSystems."/boot" = {
    device = "/dev/disk/by-uuid/9A2C-41D7";
    fsType = "vfat";
    options = [
      "fmask=0022"
      "dmask=0022"
    ];
  };

  fileSystems."/mnt/windows" = {
    device = "/dev/disk/by-uuid/01D9A3F2C45E8B70";
    fsType = "ntfs3";
  };

  fileSystems."/mnt/share" = {
    device = "/dev/disk/by-uuid/6F1B-22C0";
    fsType = "exfat";
  };

  swapDevices = [
    { device = "/dev/disk/by-uuid/0f9e8d7c-6b5a-4938-2716-05f4e3d2c1b0"; }
  ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  hardware.cpu.amd.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
}
