{ dotfiles, ... }:
{
  imports = [ ./hardware-configuration.nix ];

  boot.loader.systemd-boot.enable = true;
  environment.etc."inputrc".source = "${dotfiles}/inputrc";
  services.cows.enable = true;
  users.users.bert = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    initialHashedPassword = "$6$demo$xaYAg242RG/EY4k/kcP49.T.9VhXcRON0IgP0S5Gd6sjdtt8oMWkfCFu.PE6zK1w/06gz0EXGQVnxkVH2TZxG0";
  };
}
