{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (builtins.elem "xfs" config.boot.supportedFilesystems) {
    system.fsPackages = [ pkgs.xfsprogs ];
    boot.initrd.kernelModules = [ "xfs" ];
  };
}
