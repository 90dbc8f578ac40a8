# What nix-cfg-install reads of disko 1.13 (module.nix, lib/default.nix), for disks that are one ext4 file system each, with GRUB on all of
# them. The scripts use the live system's programs.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.disko;
  disks = builtins.filter (disk: disk.content != null) (builtins.attrValues cfg.devices.disk);
  each = f: lib.concatMapStrings f disks;

  script =
    name: text:
    pkgs.glue name {
      text = "#!/bin/bash\nset -efu\n${text}";
      passAsFile = [ "text" ];
    } "mkdir -p $out/bin && cp $textPath $out/bin/${name} && chmod +x $out/bin/${name}";
  destroy = ''
    [ "''${1:-}" = --yes-wipe-all-disks ] || { echo "not confirmed" >&2; exit 1; }
    ${each (disk: ''
      wipefs -qa ${disk.device}
    '')}'';
  format = each (disk: ''
    if ! blkid ${disk.device} > /dev/null; then
      ${lib.optionalString (disk.content.type == "luks") ''
        IFS= read -r password && IFS= read -r again && [ "$password" = "$again" ]
        echo "$password" >> /passphrases
      ''}
      mkfs.ext4 -q -L ${disk.content.name} ${disk.device}
    fi
    ${disk.content.hook or ""}
  '');
  mount = each (disk: ''
    mkdir -p ${cfg.rootMountPoint}${disk.content.mountpoint}
    mount ${disk.content.found or disk.device} ${cfg.rootMountPoint}${disk.content.mountpoint}
  '');
in
{
  # nixpkgs takes any name there.
  options.system.build = builtins.mapAttrs (_: _: mkOption { type = types.raw; }) {
    destroyFormatMount = { };
    formatMount = { };
    mount = { };
  };
  options.disko = {
    rootMountPoint = mkOption {
      type = types.str;
      default = "/mnt";
    };
    enableConfig = mkOption {
      type = types.bool;
      default = true;
    };
    devices.disk = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule (
          { config, ... }:
          {
            options = {
              device = mkOption { type = types.str; };
              content = mkOption {
                type = types.nullOr types.attrs;
                default = null;
                apply = content: if content == null then null else { inherit (config) device; } // content;
              };
            };
          }
        )
      );
    };
  };
  config = {
    fileSystems = lib.mkIf cfg.enableConfig (
      builtins.listToAttrs (
        map (disk: {
          name = disk.content.mountpoint;
          value = {
            device = "/dev/disk/by-label/${disk.content.name}";
            fsType = "ext4";
          };
        }) disks
      )
    );
    # As a partition of type EF02 has it.
    boot.loader.grub.devices = map (disk: disk.device) disks;
    system.build = {
      destroyFormatMount = script "disko-destroy-format-mount" (destroy + format + mount);
      formatMount = script "disko-format-mount" (format + mount);
      mount = script "disko-mount" mount;
    };
  };
}
