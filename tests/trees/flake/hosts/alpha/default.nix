{ dotfiles, ... }:
{
  imports = [ ./hardware-configuration.nix ];

  boot.loader.systemd-boot.enable = true;
  environment.etc."inputrc".source = "${dotfiles}/inputrc";
  services.greeter.enable = true;
  users.users.ada = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    initialHashedPassword = "$6$demo$not.a.real.hash";
  };
}
