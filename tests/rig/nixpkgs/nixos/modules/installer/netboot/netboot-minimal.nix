# The live system that starts over the network, in the shape of nixpkgs': its store is in the initrd.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.netboot;
  package = mkOption { type = types.package; };
in
{
  imports = [ ../live-system.nix ];

  options = {
    netboot.storeContents = mkOption { type = types.listOf types.anything; };
    netboot.squashfsCompression = mkOption { type = types.str; };
    # nixpkgs' system.build takes any name.
    system.build = {
      kernel = package;
      netbootDirectory = package;
      netbootIpxeScript = package;
      netbootRamdisk = package;
    };
  };

  config = {
    # Of the initrd, beside the root file system.
    image = "../nix-store.squashfs";
    fileSystems = config.lib.liveFileSystems;
    netboot.storeContents = [ config.system.build.toplevel ];
    system.build = {
      inherit (config.boot.kernelPackages) kernel;
      netbootRamdisk = pkgs.run "initrd" { stdenv = pkgs.stdenvNoCC; } ''
        ${config.lib.squashfs cfg.storeContents cfg.squashfsCompression}
        mkdir -p $out root
        mv nix-store.squashfs root/
        { cat ${config.system.build.initialRamdisk}/initrd; cd root && sh ${../../../../pkgs/make-cpio.sh}; } > $out/initrd
      '';
      netbootIpxeScript = pkgs.writeTextFile {
        name = "netboot.ipxe";
        destination = "/netboot.ipxe";
        text = ''
          #!ipxe
          kernel bzImage init=${config.system.build.toplevel}/init initrd=initrd ${toString config.boot.kernelParams} ''${cmdline}
          initrd initrd
          boot
        '';
      };
    };
  };
}
