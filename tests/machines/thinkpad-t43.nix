# ThinkPad T43: PRO/Wireless 2200BG, reiserfs, BIOS.
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
    "ata_piix"
    "uhci_hcd"
    "ehci_pci"
    "sd_mod"
    "sr_mod"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/18d7c6b5-a4f3-4e2d-9c1b-0a9f8e7d6c5b";
    fsType = "reiserfs";
  };

  swapDevices = [
    { device = "/dev/disk/by-uuid/9c8b7a6f-5e4d-4c3b-a291-8f7e6d5c4b3a"; }
  ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  networking.enableIntel2200BGFirmware = true;
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
  # This machine starts from a BIOS.
  boot.loader.systemd-boot.enable = lib.mkForce false;
  boot.loader.grub.enable = lib.mkForce true;
  boot.loader.grub.devices = lib.mkForce [ "/dev/sda" ];
}
