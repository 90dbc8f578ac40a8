# An ISO in the shape of nixpkgs': the store as a squashfs with its registration, and files beside it. Its boot menu is only
# text that names the system; the rig's live systems read it as a boot loader would.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.isoImage;
  string =
    default:
    mkOption {
      type = types.str;
      inherit default;
    };
  toplevel = config.system.build.toplevel;
  closure = pkgs.closureInfo { rootPaths = cfg.storeContents; };
in
{
  options = {
    isoImage = {
      isoBaseName = string "nixos";
      edition = string "";
      volumeID = string "nixos-${config.system.nixos.release}";
      squashfsCompression = mkOption {
        type = types.nullOr types.str;
        default = "zstd -Xcompression-level 19";
      };
      contents = mkOption {
        type = types.listOf types.attrs;
        default = [ ];
      };
      storeContents = mkOption {
        type = types.listOf types.anything;
        default = [ ];
      };
    };
    boot.postBootCommands = mkOption {
      type = types.lines;
      default = "";
    };
    nix.package = mkOption {
      type = types.anything;
      default.version = "2.18.8";
    };
    lib = mkOption {
      type = types.attrs;
      default = { };
    };
    system.build.isoImage = mkOption { type = types.package; };
  };

  config = {
    lib.isoFileSystems = {
      "/" = lib.mkImageMediaOverride {
        device = "tmpfs";
        fsType = "tmpfs";
      };
      "/nix/.ro-store" = lib.mkImageMediaOverride {
        fsType = "squashfs";
        device = "/iso/nix-store.squashfs";
        options = [ "loop" ];
        neededForBoot = true;
      };
    };
    fileSystems = config.lib.isoFileSystems;
    boot.loader.grub.enable = lib.mkForce false;

    environment.etc."post-boot".text = config.boot.postBootCommands;
    boot.postBootCommands = ''
      nix-store --load-db < /nix/store/nix-path-registration
      touch /etc/NIXOS
    '';

    isoImage.storeContents = [ toplevel ];
    isoImage.contents = [
      {
        source = "${toplevel}/kernel";
        target = "/boot/bzImage";
      }
      {
        source = pkgs.writeText "isolinux.cfg" "APPEND init=${toplevel}/init root=LABEL=${cfg.volumeID}\n";
        target = "/isolinux/isolinux.cfg";
      }
    ];

    system.build.isoImage =
      pkgs.run "${cfg.isoBaseName}-${config.system.nixos.version}-${pkgs.system}.iso"
        {
          stdenv = pkgs.stdenvNoCC;
          sources = map (entry: entry.source) cfg.contents;
          targets = map (entry: entry.target) cfg.contents;
        }
        ''
          cp ${closure}/registration nix-path-registration
          ${pkgs.imageTool "mksquashfs"} nix-path-registration $(cat ${closure}/store-paths) nix-store.squashfs -no-hardlinks \
            -keep-as-directory -all-root -b 1048576 -quiet -no-progress -processors $NIX_BUILD_CORES \
            ${
              if cfg.squashfsCompression == null then "-no-compression" else "-comp ${cfg.squashfsCompression}"
            }
          set -- $targets
          for source in $sources; do
            echo "''${1#/}=$source" >> pathlist
            shift
          done
          echo nix-store.squashfs=nix-store.squashfs >> pathlist
          mkdir -p $out/iso
          ${pkgs.imageTool "xorriso"} -volume_date all_file_dates =1 -as mkisofs -quiet -iso-level 3 \
            -volid ${cfg.volumeID} -graft-points -full-iso9660-filenames -joliet -r -path-list pathlist \
            -output $out/iso/$name
        '';
  };
}
