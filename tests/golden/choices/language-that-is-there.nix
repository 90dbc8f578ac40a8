# What was chosen when this machine was installed. What the configuration says has priority: `mkDefault` is only stronger than
# the default of NixOS. hardware-configuration.nix beside this file imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  i18n.extraLocaleSettings = {
    LC_TIME = lib.mkDefault "en_GB.UTF-8";
  };

  services.xserver.xkb.layout = lib.mkDefault "gb";
}
