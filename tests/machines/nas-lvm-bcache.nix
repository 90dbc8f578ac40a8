# A NAS: XFS on LVM behind bcache, NFS and CIFS shares of others.
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
    "ahci"
    "mpt3sas"
    "nvme"
    "usb_storage"
    "sd_mod"
    "bcache"
  ];
  boot.initrd.kernelModules = [ "dm-snapshot" ];
  boot.kernelModules = [ "kvm-amd" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/mapper/vg0-root";
    fsType = "ext4";
  };

  fileSystems."/srv" = {
    device = "/dev/disk/by-uuid/0b1c2d3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e";
    fsType = "xfs";
  };

  fileSystems."/srv/media" = {
    device = "10.0.0.2:/volume1/media";
    fsType = "nfs4";
  };

  fileSystems."/srv/old" = {
    device = "//10.0.0.3/old";
    fsType = "cifs";
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
    { device = "/dev/mapper/vg0-swap"; }
  ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  hardware.cpu.amd.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
}
