# What hardware asks for beside modules of the kernel: tools and drivers, as packages.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkEnableOption mkOption types;
  packages = mkOption {
    type = types.listOf types.package;
    default = [ ];
  };
  cfg = config;
  kernel = config.boot.kernelPackages;
in
{
  options = {
    boot = {
      kernelPackages = mkOption {
        type = types.raw;
        default = pkgs.linuxPackages;
      };
      initrd.supportedFilesystems = mkOption {
        type = types.listOf types.str;
        default = [ ];
      };
      initrd.systemd.enable = mkEnableOption "systemd in the initrd";
      swraid.enable = mkEnableOption "RAID by the kernel";
      isContainer = mkEnableOption "being a container";
    };
    hardware.parallels.enable = mkEnableOption "Parallels Tools";
    hardware.facter.reportPath = mkOption {
      type = types.nullOr types.path;
      default = null;
    };
    hardware.facter.report = mkOption {
      type = types.raw;
      default =
        if cfg.hardware.facter.reportPath == null then
          { }
        else
          builtins.fromJSON (builtins.readFile cfg.hardware.facter.reportPath);
    };
    networking = {
      enableIntel2200BGFirmware = mkEnableOption "firmware";
      enableIntel3945ABGFirmware = mkEnableOption "firmware";
      hostId = mkOption {
        type = types.nullOr types.str;
        default = null;
      };
    };
    services.getty.autologinUser = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    system.fsPackages = packages;
    virtualisation = {
      hypervGuest.enable = mkEnableOption "being a guest of Hyper-V";
      virtualbox.guest.enable = mkEnableOption "being a guest of VirtualBox";
    };
  };

  config = {
    boot.supportedFilesystems =
      config.boot.initrd.supportedFilesystems
      ++ lib.unique (lib.mapAttrsToList (_: fs: fs.fsType) config.fileSystems);
    boot.extraModulePackages =
      lib.optional cfg.virtualisation.virtualbox.guest.enable kernel.virtualboxGuestAdditions
      ++ lib.optional cfg.hardware.parallels.enable kernel.prl-tools;
    environment.systemPackages =
      config.system.fsPackages
      ++ config.boot.extraModulePackages
      ++ lib.optional cfg.virtualisation.hypervGuest.enable kernel.hyperv-daemons
      ++ lib.optional cfg.boot.swraid.enable pkgs.mdadm
      ++ lib.optional (cfg.boot.initrd.luks.devices != { }) pkgs.cryptsetup
      ++ lib.optional (cfg.powerManagement.cpuFreqGovernor != null) kernel.cpupower
      ++ [ (pkgs.glibcLocales.override { locales = config.i18n.supportedLocales; }) ];
    environment.etc.hostid = lib.mkIf (cfg.networking.hostId != null) {
      text = cfg.networking.hostId;
    };
    environment.etc.autologin = lib.mkIf (cfg.services.getty.autologinUser != null) {
      text = cfg.services.getty.autologinUser;
    };
  };
}
