{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    fileSystems = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule {
          options = {
            device = mkOption {
              type = types.nullOr types.str;
              default = null;
            };
            fsType = mkOption {
              type = types.str;
              default = "auto";
            };
            options = mkOption {
              type = types.listOf types.str;
              default = [ "defaults" ];
            };
            stratis.poolUuid = mkOption {
              type = types.nullOr types.str;
              default = null;
            };
            neededForBoot = lib.mkEnableOption "mounting it in the initrd";
          };
        }
      );
    };
    swapDevices = mkOption {
      default = [ ];
      type = types.listOf (
        types.submodule {
          options = {
            device = mkOption { type = types.str; };
            randomEncryption = mkOption {
              type = types.anything;
              default = false;
            };
            size = mkOption {
              type = types.nullOr types.int;
              default = null;
            };
          };
        }
      );
    };
  };

  config = {
    assertions = [
      {
        assertion = config.fileSystems ? "/";
        message = "The ‘fileSystems’ option does not specify your root file system.";
      }
    ];
    environment.etc.fstab.text =
      lib.concatStrings (
        lib.mapAttrsToList (
          at: fs:
          "${
            if fs.device == null then throw "No device specified for mount point ‘${at}’." else fs.device
          } ${at} ${fs.fsType} ${builtins.concatStringsSep "," fs.options} 0 ${
            if at == "/" then "1" else "2"
          }\n"
        ) config.fileSystems
      )
      + lib.concatMapStrings (swap: "${swap.device} none swap defaults 0 0\n") config.swapDevices;
  };
}
