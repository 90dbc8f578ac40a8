# Systems that come from a binary cache instead of the image (docs/fleet.md).
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.offlineInstaller.cache;
in
{
  options.offlineInstaller.cache = {
    publicKeys = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "cache.example-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      description = ''
        If there is one, the image holds the live system and what evaluating the configuration needs. The systems come from a
        binary cache (docs/fleet.md), where only signatures of these keys count.
      '';
    };
    urls = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "https://cache.example" ];
      description = "The addresses of servers of this cache, which hold the same. An answers file can name others.";
    };
  };

  config = {
    offlineInstaller.settings = lib.mkMerge [
      (mkIf (cfg.publicKeys != [ ]) { public-key = cfg.publicKeys; })
      (mkIf (cfg.urls != [ ]) { medium = cfg.urls; })
    ];
    assertions = [
      {
        assertion = cfg.urls != [ ] -> cfg.publicKeys != [ ];
        message = "offlineInstaller.cache.urls: without publicKeys, nothing that comes from there would count.";
      }
    ];
  };
}
