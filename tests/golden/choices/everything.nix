# What was chosen when this machine was installed. What the configuration says has priority: `mkDefault` is only stronger than
# the default of NixOS. hardware-configuration.nix beside this file imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  time.timeZone = lib.mkDefault "Europe/Berlin";

  i18n.defaultLocale = lib.mkDefault "de_DE.UTF-8";
  i18n.extraLocaleSettings = {
    LC_TIME = lib.mkDefault "de_AT.UTF-8";
  };
  # The locales of the installation medium: others are compiled, which needs a network. With one, this line can go.
  i18n.supportedLocales = lib.mkDefault [ "all" ];

  console.keyMap = lib.mkDefault "de";
  services.xserver.xkb = {
    layout = lib.mkDefault "de";
    variant = lib.mkDefault "nodeadkeys";
  };

  networking.hostName = lib.mkDefault "box";

  # The password is not in the configuration: passwd changes it.
  users.users.alice = {
    isNormalUser = lib.mkDefault true;
    description = lib.mkDefault "Alice";
    extraGroups = [
      "networkmanager"
      "wheel"
    ];
  };

  services.getty.autologinUser = lib.mkDefault "alice";

  nixpkgs.config.allowUnfree = true;
}
