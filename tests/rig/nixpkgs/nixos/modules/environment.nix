{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  etc = lib.filterAttrs (_: entry: entry.enable) config.environment.etc;
in
{
  options = {
    environment = {
      systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      etc = mkOption {
        default = { };
        type = types.attrsOf (
          types.submodule (
            { name, config, ... }:
            {
              options = {
                enable = mkOption {
                  type = types.bool;
                  default = true;
                };
                text = mkOption {
                  type = types.nullOr types.lines;
                  default = null;
                };
                source = mkOption {
                  type = types.path;
                  default = pkgs.writeText "etc-${builtins.replaceStrings [ "/" ] [ "-" ] name}" config.text;
                };
                mode = mkOption {
                  type = types.str;
                  default = "symlink";
                };
              };
            }
          )
        );
      };
    };
    system.path = mkOption { type = types.package; };
    system.build.etc = mkOption { type = types.package; };
  };

  config = {
    environment.etc.profile.text = "export PATH=/run/current-system/sw/bin\n";
    environment.systemPackages = [
      pkgs.mount
      pkgs.bash
      pkgs.busybox
      pkgs.shadow
    ];
    system.path = pkgs.glue "system-path" { paths = config.environment.systemPackages; } ''
      mkdir -p $out/bin
      for path in $paths; do
        for part in share/applications share/polkit-1; do
          [ ! -e $path/$part ] || { mkdir -p $out/share && ln -s $path/$part $out/share/; }
        done
        [ -e $path/bin ] || continue
        for program in $path/bin/*; do
          name=$(basename $program)
          [ -e $out/bin/$name ] || ln -s $program $out/bin/$name
        done
      done
    '';
    system.build.etc = pkgs.glue "etc" { } (
      "mkdir -p $out/etc\n"
      + lib.concatStrings (
        lib.mapAttrsToList (name: entry: ''
          mkdir -p $out/etc/$(dirname ${name})
          ln -s ${entry.source} $out/etc/${name}
          ${lib.optionalString (entry.mode != "symlink") "echo ${entry.mode} > $out/etc/${name}.mode"}
        '') etc
      )
    );
  };
}
