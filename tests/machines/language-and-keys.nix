# Another language, keyboard, time zone and name, logged in by itself.
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
    "sd_mod"
  ];
  boot.initrd.kernelModules = [ ];
  boot.kernelModules = [ "kvm-intel" ];
  boot.extraModulePackages = [ ];

  fileSystems."/" = {
    device = "/dev/disk/by-uuid/8d9eafb0-c1d2-43e4-95f6-a7b8c9d0e1f2";
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

  swapDevices = [ ];

  networking.useDHCP = lib.mkDefault true;

  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;
  console.keyMap = lib.mkForce "de-latin1";
  i18n.defaultLocale = lib.mkForce "pt_PT.UTF-8";
  i18n.supportedLocales = lib.mkForce [ "all" ];
  networking.hostName = lib.mkForce "praia";
  services.getty.autologinUser = "alice";
  time.timeZone = lib.mkForce "Asia/Tokyo";
}
