# What the live systems of a medium and of the network share: a store in a squashfs with a layer in memory above it, its registration, what
# finds a disk and a network, the programs that install, and root at the console without a password.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inMemory = {
    device = "tmpfs";
    fsType = "tmpfs";
    options = [ "mode=0755" ];
    neededForBoot = true;
  };
in
{
  imports = [
    ./cd-dvd/channel.nix
    ./tools/tools.nix
  ];

  options = {
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
    # The file with the store, as the root file system has it.
    image = mkOption { type = types.str; };
  };

  config = {
    lib.liveFileSystems = {
      "/" = lib.mkImageMediaOverride (removeAttrs inMemory [ "neededForBoot" ]);
      "/nix/.ro-store" = lib.mkImageMediaOverride {
        fsType = "squashfs";
        device = config.image;
        options = [ "loop" ];
        neededForBoot = true;
      };
      "/nix/.rw-store" = lib.mkImageMediaOverride inMemory;
      "/nix/store" = lib.mkImageMediaOverride {
        device = "overlay";
        fsType = "overlay";
        options = [
          "lowerdir=/nix/.ro-store"
          "upperdir=/nix/.rw-store/store"
          "workdir=/nix/.rw-store/work"
        ];
      };
    };
    # Its contents, and what makes a file of them: squashfs OF-WHAT COMPRESSION.
    lib.squashfs =
      storeContents: compression:
      let
        closure = pkgs.closureInfo { rootPaths = storeContents; };
      in
      ''
        cp ${closure}/registration nix-path-registration
        ${pkgs.imageTool "mksquashfs"} nix-path-registration $(cat ${closure}/store-paths) nix-store.squashfs -no-hardlinks \
          -keep-as-directory -all-root -b 1048576 -quiet -no-progress -processors $NIX_BUILD_CORES \
          ${if compression == null then "-no-compression" else "-comp ${compression}"}
      '';
    boot.loader.grub.enable = lib.mkForce false;
    boot.initrd.availableKernelModules = [
      "ahci"
      "nvme"
      "overlay"
      "loop"
      "sd_mod"
      "sr_mod"
      "squashfs"
      "virtio_blk"
      "virtio_net"
      "virtio_pci"
      "virtio_scsi"
    ];
    environment.etc = {
      post-boot.text = config.boot.postBootCommands;
      # What udhcpc starts when it has an address (stage-2.sh).
      dhcp = lib.mkIf config.networking.useDHCP {
        source = pkgs.writeScript "dhcp" ''
          #!${pkgs.bash}/bin/bash
          [ "$1" = bound ] && ${pkgs.busybox}/bin/ip address add "$ip/$mask" dev "$interface"
        '';
      };
    };
    boot.postBootCommands = ''
      nix-store --load-db < /nix/store/nix-path-registration
      touch /etc/NIXOS
    '';
    services.getty.autologinUser = "root";
    # What programs become that need not be root.
    users.users.nobody = {
      isSystemUser = true;
      uid = 65534;
    };
  };
}
