# An ISO in the shape of nixpkgs': the store as a squashfs with its registration, and files beside it. With ./machine (see
# pkgs/default.nix) it starts from a CD and from a stick, by a BIOS and by UEFI; without, its boot menu is only text that names
# the system, which the rig's live systems read as a boot loader would.
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

  parameters = "init=${toplevel}/init ${toString config.boot.kernelParams}";
  isolinux = pkgs.writeText "isolinux.cfg" ''
    DEFAULT boot
    LABEL boot
    LINUX /boot/bzImage
    APPEND ${parameters}
    INITRD /boot/initrd
  '';
  grub = pkgs.writeText "grub.cfg" ''
    set timeout=1
    menuentry "NixOS${cfg.appendToMenuLabel}" {
      linux /boot/bzImage ${parameters}
      initrd /boot/initrd
    }
  '';
  starts = pkgs.syslinux != null;
  boot = lib.optionalString starts ''
    -eltorito-boot isolinux/isolinux.bin -eltorito-catalog .boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
      -isohybrid-mbr ${pkgs.syslinux}/share/syslinux/isohdpfx.bin \
      -eltorito-alt-boot -e boot/efi.img -no-emul-boot -isohybrid-gpt-basdat'';
in
{
  imports = [ ../live-system.nix ];

  options = {
    isoImage = {
      isoBaseName = string "nixos";
      edition = string "";
      appendToMenuLabel = string " Installer";
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
    system.build.isoImage = mkOption { type = types.package; };
  };

  config = {
    lib.isoFileSystems = config.lib.liveFileSystems // {
      # The medium, by what the boot loader says (root=).
      "/iso" = lib.mkImageMediaOverride {
        device = "/dev/root";
        fsType = "iso9660";
        neededForBoot = true;
      };
    };
    image = "/iso/nix-store.squashfs";
    fileSystems = config.lib.isoFileSystems;
    boot.kernelParams = [ "root=LABEL=${cfg.volumeID}" ];
    boot.initrd.availableKernelModules = [ "isofs" ];

    isoImage.storeContents = [ toplevel ];
    isoImage.contents = [
      {
        source = "${pkgs.linux}/bzImage";
        target = "/boot/bzImage";
      }
      {
        source = "${config.system.build.initialRamdisk}/initrd";
        target = "/boot/initrd";
      }
      {
        source = isolinux;
        target = "/isolinux/isolinux.cfg";
      }
      {
        source = grub;
        target = "/EFI/boot/grub.cfg";
      }
    ]
    ++ lib.optionals starts [
      {
        source = "${pkgs.syslinux}/share/syslinux";
        target = "/isolinux";
      }
      {
        source = "${pkgs.grub2_efi}/efi.img";
        target = "/boot/efi.img";
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
          ${config.lib.squashfs cfg.storeContents cfg.squashfsCompression}
          set -- $targets
          for source in $sources; do
            echo "''${1#/}=$source" >> pathlist
            shift
          done
          echo nix-store.squashfs=nix-store.squashfs >> pathlist
          mkdir -p $out/iso
          ${pkgs.imageTool "xorriso"} -volume_date all_file_dates =1 -as mkisofs -quiet -iso-level 3 \
            -volid ${cfg.volumeID} -graft-points -full-iso9660-filenames -joliet -r ${boot} \
            -path-list pathlist \
            -output $out/iso/$name
        '';
  };
}
