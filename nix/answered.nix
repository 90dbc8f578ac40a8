# Modules with answers to all that the configuration leaves open, as the installer writes them.
{ lib, target }:
let
  inherit (lib) mkDefault;
  inherit (import ./decided.nix target) decided display_manager users;
  open = key: module: lib.optionalAttrs (!decided ? ${key}) module;
  user = builtins.head (builtins.attrNames users ++ [ "variant" ]);
in
[
  (open "timezone" { time.timeZone = mkDefault "Europe/Berlin"; })
  (open "keymap" { console.keyMap = mkDefault "de"; })
  (open "layout" {
    services.xserver.xkb = {
      layout = mkDefault "de";
      variant = mkDefault "nodeadkeys";
    };
  })
  (open "hostname" { networking.hostName = mkDefault "variant"; })
  (open "user" {
    users.users.${user} = {
      isNormalUser = true;
      description = "Variant";
      extraGroups = [ "wheel" ];
    };
  })
  (lib.optionalAttrs (!decided ? user || users != { }) (
    open "autologin" (
      if display_manager then
        {
          services.displayManager.autoLogin = {
            enable = mkDefault true;
            user = mkDefault user;
          };
        }
      else
        { services.getty.autologinUser = mkDefault user; }
    )
  ))
]
