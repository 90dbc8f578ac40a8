{ dotfiles, ... }:
{
  imports = [ ./hardware-configuration.nix ];

  boot.loader.systemd-boot.enable = true;
  environment.etc."inputrc".source = "${dotfiles}/inputrc";
  services.cows.enable = true;
  users.users.bert = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    initialHashedPassword = "$6$demo$not.a.real.hash";
  };
}
