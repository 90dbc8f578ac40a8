{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (lib.any (lib.hasPrefix "ext") config.boot.supportedFilesystems) {
    system.fsPackages = [ pkgs.e2fsprogs ];
  };
}
