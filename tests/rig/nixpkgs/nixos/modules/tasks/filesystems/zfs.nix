{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf (builtins.elem "zfs" config.boot.supportedFilesystems) {
    system.fsPackages = [ pkgs.zfs ];
    boot.extraModulePackages = [ config.boot.kernelPackages.zfs ];
    assertions = [
      {
        assertion = config.networking.hostId != null;
        message = "ZFS requires networking.hostId to be set";
      }
    ];
  };
}
