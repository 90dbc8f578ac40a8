{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption mkEnableOption types;
  string =
    default:
    mkOption {
      type = types.str;
      inherit default;
    };
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.attrs;
      default = [ ];
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    networking = {
      hostName = string "nixos";
      useDHCP = mkOption {
        type = types.bool;
        default = true;
      };
      networkmanager.enable = mkEnableOption "NetworkManager";
    };
    time.timeZone = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    i18n = {
      defaultLocale = string "en_US.UTF-8";
      supportedLocales = mkOption {
        type = types.listOf types.str;
        default = [ "en_US.UTF-8/UTF-8" ];
      };
    };
    console.keyMap = string "us";
    powerManagement.cpuFreqGovernor = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    hardware = {
      enableRedistributableFirmware = mkEnableOption "firmware";
      cpu.intel.updateMicrocode = mkEnableOption "microcode";
      cpu.amd.updateMicrocode = mkEnableOption "microcode";
    };
    security.sudo.wheelNeedsPassword = mkOption {
      type = types.bool;
      default = true;
    };
  };

  config.environment.etc = {
    hostname.text = "${config.networking.hostName}\n";
    "vconsole.conf".text = "KEYMAP=${config.console.keyMap}\n";
    "locale.conf".text = "LANG=${config.i18n.defaultLocale}\n";
    os-release.text = "NAME=MiniNixOS\nID=nixos\nVERSION_ID=${lib.version}\n";
    timezone = lib.mkIf (config.time.timeZone != null) { text = "${config.time.timeZone}\n"; };
    firmware = lib.mkIf config.hardware.enableRedistributableFirmware {
      source = "${pkgs.firmware}/lib/firmware";
    };
  };
}
