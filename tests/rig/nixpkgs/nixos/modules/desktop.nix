# What the configuration of a desktop sets, by its names in NixOS 24.05.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkEnableOption mkOption types;
  cfg = config.services;
  program =
    name: version:
    pkgs.glue "${name}-${version}" { } "mkdir -p $out && echo ${name}-${version} > $out/${name}";
  gnome = cfg.xserver.desktopManager.gnome.enable;
in
{
  options = {
    services = {
      displayManager = {
        enable = mkOption {
          type = types.bool;
          default = cfg.xserver.displayManager.gdm.enable;
        };
        autoLogin = {
          enable = mkEnableOption "automatic login";
          user = mkOption {
            type = types.nullOr types.str;
            default = null;
          };
        };
        sessionData = mkOption {
          type = types.attrs;
          default = {
            autologinSession = if gnome then "gnome" else null;
          };
        };
      };
      xserver.displayManager.gdm.enable = mkEnableOption "GDM";
      xserver.desktopManager.gnome.enable = mkEnableOption "GNOME";
      printing.enable = mkEnableOption "CUPS";
      pipewire = {
        enable = mkEnableOption "PipeWire";
        alsa.enable = mkEnableOption "ALSA";
        alsa.support32Bit = mkEnableOption "ALSA for programs of 32 bits";
        pulse.enable = mkEnableOption "what PulseAudio does";
      };
    };
    hardware.pulseaudio.enable = mkEnableOption "PulseAudio";
    security.rtkit.enable = mkEnableOption "the realtime policy";
    programs.firefox.enable = mkEnableOption "Firefox";
  };

  config.environment.etc = {
    "desktop/session" = lib.mkIf gnome { source = program "gnome-shell" "46.2"; };
    "desktop/browser" = lib.mkIf config.programs.firefox.enable {
      source = program "firefox" "126.0";
    };
    "desktop/autologin" = lib.mkIf cfg.displayManager.autoLogin.enable {
      text = "${cfg.displayManager.autoLogin.user}\n";
    };
  };
}
