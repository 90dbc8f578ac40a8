# nixpkgs itself as the live system's channel.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  nixos = config.system.nixos;
  channel = pkgs.run "nixos-${nixos.version}" { stdenv = pkgs.stdenvNoCC; } ''
    mkdir -p $out
    cp -r ${
      builtins.path {
        inherit (pkgs) path;
        name = "source";
      }
    } $out/nixos
    chmod u+w $out/nixos
    echo -n ${nixos.versionSuffix} > $out/nixos/.version-suffix
  '';
in
{
  options.system.installer.channel.enable = lib.mkOption {
    type = lib.types.bool;
    default = true;
  };
  config = lib.mkIf config.system.installer.channel.enable {
    nix.registry.nixpkgs.to = {
      type = "path";
      path = "${channel}/nixos";
    };
    boot.postBootCommands = ''
      mkdir -p /nix/var/nix/profiles/per-user/root
      nix-env -p /nix/var/nix/profiles/per-user/root/channels -i ${channel} --quiet
    '';
  };
}
