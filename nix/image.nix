# The image beside its store: the files that the installer reads there, its name, and how its store is compressed and mounted.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.offlineInstaller;

  # The kernel can decompress the store on all processors (nixpkgs sets SQUASHFS_CHOICE_DECOMP_BY_MOUNT from Linux 6.2 on; without
  # it, this option would make the mount fail). Newer nixpkgs set it themselves.
  storeOptions = config.lib.isoFileSystems."/nix/.ro-store".content.options or [ ];
  threads =
    lib.versionAtLeast config.boot.kernelPackages.kernel.version "6.2"
    && !builtins.elem "threads=multi" storeOptions;
  # nixpkgs' installation-cd-base.nix defines all of `fileSystems` and `swapDevices` with the priority of image media. With it, a
  # definition of the default priority is ignored; without it, one of that priority would override the others.
  imageMedia = (lib.mkImageMediaOverride null).priority;
  fileSystemsPriority = if options.swapDevices.highestPrio == imageMedia then imageMedia else 100;
in
{
  isoImage = {
    contents = [
      {
        source = builtins.path {
          path = cfg.configuration;
          name = "nix-cfg";
        };
        target = "/nix-cfg";
      }
      {
        source = builtins.toFile "nix-cfg-install.yaml" ''
          # `nix-cfg-iso customize` writes settings here. They override those in the live system's /etc/nix-cfg-install.yaml.
        '';
        target = "/nix-cfg-install.yaml";
      }
      # For `nix-cfg-install update`, on a machine that runs already: the program, and what its live system is made of.
      {
        source = "${cfg.package.static or "${cfg.package}/bin"}/nix-cfg-install";
        target = "/nix-cfg-install";
      }
      {
        source = pkgs.writeText "live-system.yaml" ''
          system: ${config.system.build.toplevel}
          ${lib.optionalString config.system.installer.channel.enable "channel: ${config.nix.registry.nixpkgs.to.path}"}
        '';
        target = "/live-system.yaml";
      }
    ];
    # nixpkgs' own level 19 makes an image 11 % smaller and takes 22 times as long (docs/iso.md). Reading is as fast.
    squashfsCompression = mkDefault "zstd -Xcompression-level 6";
    # The boot loader finds the medium by this name, of at most 32 characters; another NixOS stick must not have it.
    volumeID = mkDefault (
      builtins.substring 0 32
        "nixos-offline-${config.system.nixos.release}-${pkgs.stdenv.hostPlatform.uname.processor}"
    );
  };

  # In 24.05 the kernel depends on the file systems that are defined: a condition around more than the options would recurse.
  fileSystems = lib.mkOverride fileSystemsPriority {
    "/nix/.ro-store" = lib.mkImageMediaOverride { options = mkIf threads [ "threads=multi" ]; };
  };
}
