{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (builtins.elem "f2fs" config.boot.supportedFilesystems) {
    system.fsPackages = [ pkgs.f2fs-tools ];
  };
}
