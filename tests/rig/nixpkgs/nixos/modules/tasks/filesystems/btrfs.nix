{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (builtins.elem "btrfs" config.boot.supportedFilesystems) {
    system.fsPackages = [ pkgs.btrfs-progs ];
    boot.initrd.kernelModules = [ "btrfs" ];
  };
}
