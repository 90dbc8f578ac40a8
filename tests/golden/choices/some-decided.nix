# What was chosen when this machine was installed. What the configuration says has priority: `mkDefault` is only stronger than
# the default of NixOS. hardware-configuration.nix beside this file imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  i18n.defaultLocale = lib.mkDefault "de_DE.UTF-8";
  # The locales of the installation medium: others are compiled, which needs a network. With one, this line can go.
  i18n.supportedLocales = lib.mkDefault [ "all" ];

  console.keyMap = lib.mkDefault "de";
  services.xserver.xkb = {
    layout = lib.mkDefault "de";
    variant = lib.mkDefault "nodeadkeys";
  };

  users.users.alice.description = lib.mkDefault "Alice";

  services.getty.autologinUser = lib.mkDefault "alice";

  nixpkgs.config.allowUnfree = true;
}
