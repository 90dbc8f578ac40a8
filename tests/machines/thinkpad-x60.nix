# ThinkPad X60: PRO/Wireless 3945ABG, JFS for /home, BIOS.
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
    "uhci_hcd"
    "ehci_pci"
    "ahci"
    "firewire_ohci"
    "sd_mod"
    "sdhci_pci"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ "kvm-intel" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/b5a4c3d2-e1f0-4918-a7b6-c5d4e3f2a1b0";
    fsType = "ext3";
  };

  fileSystems."/home" = {
    device = "/dev/disk/by-uuid/f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f";
    fsType = "jfs";
  };

  swapDevices = [ ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  networking.enableIntel3945ABGFirmware = true;
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
  # This machine starts from a BIOS.
  boot.loader.systemd-boot.enable = lib.mkForce false;
  boot.loader.grub.enable = lib.mkForce true;
  boot.loader.grub.devices = lib.mkForce [ "/dev/sda" ];
}
