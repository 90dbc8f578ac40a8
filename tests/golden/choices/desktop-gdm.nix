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

  services.displayManager.autoLogin = {
    enable = lib.mkDefault true;
    user = lib.mkDefault "alice";
  };
  # Otherwise the login prompt of the console ends the session that GDM starts.
  systemd.services."getty@tty1".enable = lib.mkDefault false;
  systemd.services."autovt@tty1".enable = lib.mkDefault false;

  nixpkgs.config.allowUnfree = true;
}
