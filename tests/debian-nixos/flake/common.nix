# What both machines have.
{ pkgs, ... }:
{
  boot.kernelParams = [
    "console=tty0"
    "console=ttyS0,115200n8"
  ];
  environment.systemPackages = [ pkgs.htop ];
  services.openssh.enable = true;
  users.users.root.initialHashedPassword = "$6$demo$xaYAg242RG/EY4k/kcP49.T.9VhXcRON0IgP0S5Gd6sjdtt8oMWkfCFu.PE6zK1w/06gz0EXGQVnxkVH2TZxG0";
  system.stateVersion = "26.05";
}
