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
      firewall.enable = mkEnableOption "a firewall";
    };
    time.timeZone = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    i18n = {
      defaultLocale = string "en_US.UTF-8";
      extraLocaleSettings = mkOption {
        type = types.attrsOf types.str;
        default = { };
      };
      supportedLocales = mkOption {
        type = types.listOf types.str;
        default = lib.unique (
          map (locale: "${locale}/UTF-8") (
            [
              "en_US.UTF-8"
              config.i18n.defaultLocale
            ]
            ++ builtins.attrValues config.i18n.extraLocaleSettings
          )
        );
      };
    };
    console.keyMap = string "us";
    services.xserver = {
      enable = mkEnableOption "the X server";
      xkb = {
        layout = string "us";
        variant = string "";
      };
    };
    # Functions and values for other modules.
    lib = mkOption {
      type = types.attrsOf types.attrs;
      default = { };
    };
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
    "locale.conf".text =
      "LANG=${config.i18n.defaultLocale}\n"
      + lib.concatStrings (
        lib.mapAttrsToList (name: value: "${name}=${value}\n") config.i18n.extraLocaleSettings
      );
    # As nixpkgs does it, the layout is tried while the system is built.
    "X11/keyboard" = lib.mkIf config.services.xserver.enable {
      source = "${pkgs.keyboard config.services.xserver.xkb}/keyboard";
    };
    os-release.text = "NAME=MiniNixOS\nID=nixos\nVERSION_ID=${lib.version}\n";
    timezone = lib.mkIf (config.time.timeZone != null) { text = "${config.time.timeZone}\n"; };
    firmware = lib.mkIf config.hardware.enableRedistributableFirmware {
      source = "${pkgs.firmware}/lib/firmware";
    };
  };
}
