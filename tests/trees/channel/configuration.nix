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
    initialHashedPassword = "$6$demo$xaYAg242RG/EY4k/kcP49.T.9VhXcRON0IgP0S5Gd6sjdtt8oMWkfCFu.PE6zK1w/06gz0EXGQVnxkVH2TZxG0";
  };

  environment.systemPackages = [ pkgs.cowsay ];
  environment.etc."motd".source = ./motd;

  system.stateVersion = "24.05";
}
