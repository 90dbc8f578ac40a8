{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (builtins.elem "bcachefs" config.boot.supportedFilesystems) {
    system.fsPackages = [ pkgs.bcachefs-tools ];
  };
}
