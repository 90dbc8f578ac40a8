# Nix itself: on the machines that boot (see pkgs/default.nix), and its settings.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.nix) settings;
  rebuild = pkgs.glue "nixos-rebuild" { } ''
    mkdir -p $out/bin
    cat > $out/bin/nixos-rebuild << 'SH'
    #!${pkgs.bash}/bin/bash
    # What the real one does for a channel configuration: nixos-rebuild boot|switch
    set -e
    system=$(nix-build --no-out-link '<nixpkgs/nixos>' -A system)
    nix-env -p /nix/var/nix/profiles/system --set "$system"
    [ "$1" != switch ] || "$system/activate"
    "$system/bin/switch-to-configuration" boot
    SH
    chmod +x $out/bin/nixos-rebuild
  '';
in
{
  options.nix.settings = lib.mkOption {
    type = lib.types.attrsOf lib.types.anything;
    default = { };
  };
  options.nix.registry = lib.mkOption {
    type = lib.types.attrsOf lib.types.anything;
    default = { };
  };

  config = lib.mkMerge [
    {
      environment.etc."nix/nix.conf" = lib.mkIf (settings != { }) {
        text = lib.concatStrings (
          lib.mapAttrsToList (
            name: value: "${name} = ${if value == true then "true" else toString value}\n"
          ) settings
        );
      };
    }
    (lib.mkIf (pkgs.nix != null) {
      nix.settings = {
        # There are no accounts for builders here.
        build-users-group = "";
        # Debian's Nix has a shell for them that only Debian has.
        sandbox-paths = "/bin/sh=${pkgs.bash}/bin/bash";
      };
      environment.systemPackages = [
        pkgs.nix
        rebuild
      ];
      environment.etc.profile.text = ''
        export NIX_PATH=nixpkgs=/nix/var/nix/profiles/per-user/root/channels/nixos:nixos-config=/etc/nixos/configuration.nix:/nix/var/nix/profiles/per-user/root/channels
      '';
    })
  ];
}
