{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (builtins.elem "vfat" config.boot.supportedFilesystems) {
    system.fsPackages = [ pkgs.dosfstools ];
  };
}
