# A small server. This machine's hardware comes from ./hardware-configuration.nix, which the installer puts here.
{ pkgs, ... }:
{
  imports = [
    ./hardware-configuration.nix
    ./modules/greeter.nix
  ];

  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;

  networking.hostName = "channel-demo";
  time.timeZone = "Europe/Lisbon";

  users.users.alice = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    initialHashedPassword = "$6$demo$not.a.real.hash";
  };

  environment.systemPackages = [ pkgs.cowsay ];
  environment.etc."motd".source = ./motd;

  system.stateVersion = "24.05";
}
