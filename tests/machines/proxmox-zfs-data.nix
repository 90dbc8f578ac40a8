# A Proxmox guest: ext4 root, a ZFS pool for data, a 9p share.
{
  lib,
  modulesPath,
  ...
}:

{
  imports = [
    (modulesPath + "/profiles/qemu-guest.nix")
  ];

  boot.initrd.availableKernelModules = [
    "uhci_hcd"
    "ehci_pci"
    "ahci"
    "virtio_pci"
    "virtio_scsi"
    "virtio_blk"
    "sd_mod"
    "sr_mod"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ "kvm-intel" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/c9b8a7f6-e5d4-4c3b-a291-0f1e2d3c4b5a";
    fsType = "ext4";
  };

  fileSystems."/tank" = {
    device = "tank/data";
    fsType = "zfs";
  };

  fileSystems."/share" = {
    device = "hostshare";
    fsType = "9p";
    options = [ "trans=virtio" ];
  };

  fileSystems."/boot" = {
    device = "/dev/disk/by-uuid/9A2C-41D7";
    fsType = "vfat";
    options = [
      "fmask=0022"
      "dmask=0022"
    ];
  };

  swapDevices = [ ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  networking.hostId = "8425e349";
}
