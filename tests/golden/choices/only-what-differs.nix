# What was chosen when this machine was installed. What the configuration says has priority: `mkDefault` is only stronger than
# the default of NixOS. hardware-configuration.nix beside this file imports it.
# Written by nix-cfg-install; from here on it is yours.
{ lib, ... }:
{
  time.timeZone = lib.mkDefault "UTC";

  # The password is not in the configuration: passwd changes it.
  users.users."or" = {
    isNormalUser = lib.mkDefault true;
    extraGroups = [ "wheel" ];
  };
}
