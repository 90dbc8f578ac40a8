# The whole disk encrypted, /boot as well: BIOS and a key file, as Calamares makes it.
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
    "xhci_pci"
    "sd_mod"
    "usb_storage"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ "kvm-intel" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/2c3d4e5f-6a7b-48c9-90d1-e2f3a4b5c6d7";
    fsType = "ext4";
  };

  boot.initrd.luks.devices."luks-9f8e7d6c".device =
    "/dev/disk/by-uuid/9f8e7d6c-5b4a-4392-8170-6f5e4d3c2b1a";

  swapDevices = [ ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
  # This machine starts from a BIOS.
  boot.loader.systemd-boot.enable = lib.mkForce false;
  boot.loader.grub.enable = lib.mkForce true;
  boot.loader.grub.devices = lib.mkForce [ "/dev/sda" ];
  boot.loader.grub.enableCryptodisk = true;
  boot.initrd.secrets."/boot/crypto_keyfile.bin" = null;
  boot.initrd.luks.devices."luks-9f8e7d6c".keyFile = "/boot/crypto_keyfile.bin";
}
