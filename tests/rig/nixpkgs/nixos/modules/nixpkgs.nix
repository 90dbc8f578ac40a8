{ config, lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  _module.args.pkgs = import ../../default.nix {
    inherit (config.nixpkgs) config overlays;
    system = config.nixpkgs.hostPlatform;
  };

  options.nixpkgs = {
    config = mkOption {
      type = types.attrs;
      default = { };
    };
    overlays = mkOption {
      type = types.listOf types.raw;
      default = [ ];
    };
    hostPlatform = mkOption {
      type = types.str;
      default =
        if config.nixpkgs.system == null then
          throw "Neither nixpkgs.hostPlatform nor nixpkgs.system is set"
        else
          config.nixpkgs.system;
    };
    system = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
  };
}
