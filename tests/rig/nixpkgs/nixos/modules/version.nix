{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.system.nixos;
  string =
    default:
    mkOption {
      type = types.str;
      inherit default;
    };
in
{
  options.system.nixos = {
    release = string lib.version;
    versionSuffix = string "";
    version = string (cfg.release + cfg.versionSuffix);
    revision = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
  };
}
