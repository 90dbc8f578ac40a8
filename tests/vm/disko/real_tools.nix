# What nix-cfg-install reads of disko 1.13 (module.nix, lib/types), for GPT, LUKS, LVM and file systems, in the miniature nixpkgs, which
# cannot evaluate the real one. The scripts make them with the real sgdisk, cryptsetup, lvm and mkfs, from the store.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    listToAttrs
    mapAttrs
    ;
  inherit (lib) mkOption optionalAttrs types;
  cfg = config.disko;
  each = lib.concatMapStrings;
  disks = attrValues cfg.devices.disk;
  groups = attrValues cfg.devices.lvm_vg;

  # A content of `device`, with the devices of its parts, as disko's types name them.
  placed =
    disk: device: content:
    content
    // {
      inherit device;
    }
    // optionalAttrs (content.type == "gpt") {
      partitions = mapAttrs (
        name: partition:
        let
          label = "disk-${disk}-${name}";
          at = "/dev/disk/by-partlabel/${label}";
        in
        {
          type = "8300";
        }
        // partition
        // {
          inherit label;
          device = at;
        }
        // optionalAttrs (partition ? content) { content = placed disk at partition.content; }
      ) content.partitions;
    }
    // optionalAttrs (content.type == "luks") {
      askPassword = true;
      passwordFile = null;
      keyFile = null;
      additionalKeyFiles = [ ];
      settings = { };
      content = placed disk "/dev/mapper/${content.name}" content.content;
    };
  placedVolumes =
    group:
    mapAttrs (
      name: volume: volume // { content = placed null "/dev/${group}/${name}" volume.content; }
    );
  # That which takes the rest of the disk is the last.
  partitions =
    content:
    let
      sorted = builtins.partition (part: part.size == "100%") (attrValues content.partitions);
    in
    sorted.wrong ++ sorted.right;
  # Everything in a content, itself first.
  all =
    content:
    [ content ]
    ++ concatMap (part: if part ? content then all part.content else [ ]) (
      if content.type == "gpt" then
        partitions content
      else if content.type == "luks" then
        [ content ]
      else
        [ ]
    );
  onDisks = concatMap (disk: all disk.content) disks;
  onGroups = concatMap (group: concatMap (volume: all volume.content) (attrValues group.lvs)) groups;
  contents = onDisks ++ onGroups;
  volumes = builtins.filter (content: content.type == "luks") contents;

  make =
    content:
    {
      gpt = ''
        ${each (part: ''
          sgdisk --new=0:0:${
            if part.size == "100%" then "0" else "+${part.size}"
          } --typecode=0:${part.type} --change-name=0:${part.label} ${content.device} > /dev/null
          partprobe ${content.device} || : # udev may still read the partition that was made before
          udevadm trigger --subsystem-match=block
          udevadm settle
        '') (partitions content)}
      '';
      luks = ''
        IFS= read -r password && IFS= read -r again && [ "$password" = "$again" ]
        printf %s "$password" | cryptsetup -q luksFormat --pbkdf-memory 32768 --pbkdf-force-iterations 4 ${content.device} -
        printf %s "$password" | cryptsetup open --key-file - ${content.device} ${content.name}
      '';
      lvm_pv = "lvm pvcreate --yes ${content.device}\n";
      filesystem = "mkfs.${content.format} ${content.device} > /dev/null\n";
      btrfs = ''
        mkfs.btrfs --quiet --force ${content.device}
        top=$(mktemp -d)
        mount ${content.device} $top
        ${each (name: "btrfs subvolume create $top${name}\n") (attrNames content.subvolumes)}
        umount $top
      '';
    }
    .${content.type};
  makeGroup = group: ''
    lvm vgcreate ${group.name} ${
      toString (
        map (content: content.device) (
          builtins.filter (content: content.type == "lvm_pv" && content.vg == group.name) onDisks
        )
      )
    }
    ${each (
      name: "lvm lvcreate --yes --name ${name} --extents ${group.lvs.${name}.size} ${group.name}\n"
    ) (attrNames group.lvs)}
    udevadm settle
  '';
  open =
    each (volume: ''
      if ! [ -e /dev/mapper/${volume.name} ]; then
        IFS= read -r password
        printf %s "$password" | cryptsetup open --key-file - ${volume.device} ${volume.name}
      fi
    '') volumes
    + each (group: "lvm vgchange --activate y ${group.name}\n") groups;

  # The file systems, those that others are mounted in first.
  fileSystems = builtins.sort (one: other: one.at < other.at) (
    concatMap (
      content:
      {
        btrfs = map (name: {
          at = content.subvolumes.${name}.mountpoint;
          inherit (content) device;
          fsType = "btrfs";
          options = [
            "subvol=${name}"
            "compress=zstd"
          ];
        }) (attrNames content.subvolumes);
        filesystem = [
          {
            at = content.mountpoint;
            inherit (content) device;
            fsType = content.format;
            options = [ (if content.format == "vfat" then "umask=0077" else "defaults") ];
          }
        ];
      }
      .${content.type} or [ ]
    ) contents
  );

  script =
    name: text:
    pkgs.glue name {
      text = ''
        #!/bin/bash
        set -efu
        PATH=${
          lib.concatMapStrings (package: "${package}/bin:") [
            pkgs.btrfs-progs
            pkgs.cryptsetup
            pkgs.dosfstools
            pkgs.e2fsprogs
            pkgs.gptfdisk
            pkgs.lvm2
          ]
        }$PATH
        ${text}'';
      passAsFile = [ "text" ];
    } "mkdir -p $out/bin && cp $textPath $out/bin/${name} && chmod +x $out/bin/${name}";
  destroy = ''
    [ "''${1:-}" = --yes-wipe-all-disks ] || { echo "not confirmed" >&2; exit 1; }
    lvm vgchange --activate n
    ${each (disk: ''
      for part in $(lsblk --noheadings --raw --output PATH ${disk.device} | tac); do wipefs --quiet --all --force $part; done
      sgdisk --zap-all ${disk.device} > /dev/null
    '') disks}'';
  format = ''
    if ! blkid ${each (disk: "${disk.device} ") disks} > /dev/null; then
      ${each make onDisks}
      ${each makeGroup groups}
      ${each make onGroups}
    fi
  '';
  mount =
    open
    + each (fs: ''
      mkdir -p ${cfg.rootMountPoint}${fs.at}
      mount -t ${fs.fsType} -o ${builtins.concatStringsSep "," fs.options} ${fs.device} ${cfg.rootMountPoint}${fs.at}
    '') fileSystems;
in
{
  # nixpkgs takes any name there.
  options.system.build = mapAttrs (_: _: mkOption { type = types.raw; }) {
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
        types.submodule {
          options = {
            device = mkOption { type = types.str; };
            content = mkOption { type = types.attrs; };
          };
        }
      );
      apply = mapAttrs (
        name: disk: {
          inherit (disk) device;
          content = placed name disk.device disk.content;
        }
      );
    };
    devices.lvm_vg = mkOption {
      default = { };
      type = types.attrsOf types.attrs;
      apply = mapAttrs (
        name: group: {
          inherit name;
          lvs = placedVolumes name group.lvs;
        }
      );
    };
  };
  config = {
    fileSystems = listToAttrs (
      map (fs: {
        name = fs.at;
        value = removeAttrs fs [ "at" ];
      }) fileSystems
    );
    boot = {
      initrd.luks.devices = listToAttrs (
        map (volume: {
          inherit (volume) name;
          value.device = volume.device;
        }) volumes
      );
      initrd.services.lvm.enable = groups != [ ];
      loader.grub.devices = map (disk: disk.device) (
        builtins.filter (
          disk: builtins.any (part: part.type == "EF02") (attrValues disk.content.partitions)
        ) disks
      );
    };
    system.build = {
      destroyFormatMount = script "disko-destroy-format-mount" (destroy + format + mount);
      formatMount = script "disko-format-mount" (format + mount);
      mount = script "disko-mount" mount;
    };
  };
}
