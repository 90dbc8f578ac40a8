# Makes a NixOS live system (one of nixpkgs' installation CDs) an offline installer for a configuration.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkDefault
    mkForce
    mkIf
    mkOption
    types
    ;
  cfg = config.offlineInstaller;

  toplevels = map (target: target.config.system.build.toplevel) cfg.targets;

  # The user's file goes first and wins: a key that it has is not written again.
  settingsText =
    let
      file = if cfg.settingsFile == null then "" else builtins.readFile cfg.settingsFile;
      has = name: builtins.match "(.*\n)?${name}:.*" file != null;
      line = name: if has name then "" else "${name}: ${builtins.toJSON cfg.settings.${name}}\n";
    in
    "${file}\n${lib.concatStrings (map line (builtins.attrNames cfg.settings))}";

  # The kernel can use all processors to unpack the store (nixpkgs sets SQUASHFS_CHOICE_DECOMP_BY_MOUNT from Linux 6.2 on;
  # without it the option is an error and the store would not be mounted). Newer nixpkgs ask for it themselves.
  storeOptions = config.lib.isoFileSystems."/nix/.ro-store".content.options or [ ];
  threads =
    lib.versionAtLeast config.boot.kernelPackages.kernel.version "6.2"
    && !builtins.elem "threads=multi" storeOptions;
in
{
  options.offlineInstaller = {
    configuration = mkOption {
      type = types.path;
      example = literalExpression "./nix-cfg";
      description = ''
        The folder with the configuration that is installed: configuration.nix, or flake.nix with its lock.
        It is on the ISO as `/iso/nix-cfg`.
      '';
    };
    targets = mkOption {
      type = types.listOf types.raw;
      example = literalExpression "[ self.nixosConfigurations.alpha ]";
      description = ''
        The systems that are installed, as `nixosSystem` gives them. What they need is in the ISO's store.
      '';
    };
    flake = mkOption {
      type = types.nullOr types.raw;
      default = null;
      example = literalExpression "self";
      description = ''
        The flake that the targets come from, when they come from one. All of its inputs, nested ones included, are in
        the ISO's store as sources, so that it can be evaluated with its lock as it is.
      '';
    };
    package = mkOption {
      type = types.package;
      description = "The package with `nix-cfg-install` and `nix-cfg-iso`.";
    };
    settingsFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = literalExpression "./nix-cfg-install.yaml";
      description = "The settings of nix-cfg-install as a YAML file. What it says goes before `settings`.";
    };
    settings = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = {
        host = "alpha";
      };
      description = "The settings of nix-cfg-install, written to `/etc/nix-cfg-install.yaml`.";
    };
    closure = mkOption {
      type = types.enum [
        "full"
        "runtime"
      ];
      default = "full";
      description = ''
        What of the targets is in the ISO's store.

        - `full`: all that building them needs, sources and compilers included. Any change that does not ask for a new
          package can be built without a network. Tens of gigabytes.
        - `runtime`: only what the systems need to run. Small, and enough only for a machine whose hardware
          configuration is the very one in the tree.
      '';
    };
    extraStorePaths = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = literalExpression "[ pkgs.htop ]";
      description = "More store paths for the ISO's store.";
    };
  };

  config = {
    environment.systemPackages = [ cfg.package ];
    environment.etc."nix-cfg-install.yaml".text = settingsText;

    isoImage = {
      contents = [
        {
          source = builtins.path {
            path = cfg.configuration;
            name = "nix-cfg";
          };
          target = "/nix-cfg";
        }
      ];
      storeContents =
        toplevels
        ++ (if cfg.closure == "full" then map (toplevel: toplevel.drvPath) toplevels else [ ])
        ++ (if cfg.flake == null then [ ] else (import ./inputs-of.nix cfg.flake).sources)
        ++ cfg.extraStorePaths;
      # The boot loader finds the medium by this name, of at most 32 characters: another NixOS stick must not have it.
      volumeID = mkDefault (
        builtins.substring 0 32
          "nixos-offline-${config.system.nixos.release}-${pkgs.stdenv.hostPlatform.uname.processor}"
      );
    };

    fileSystems."/nix/.ro-store" = mkIf threads (
      lib.mkImageMediaOverride { options = [ "threads=multi" ]; }
    );

    # No network is looked for: not for a registry, and not for a cache.
    nix.settings = {
      experimental-features = [
        "nix-command"
        "flakes"
      ];
      flake-registry = "";
      substituters = mkForce [ ];
      connect-timeout = mkDefault 1;
      download-attempts = mkDefault 1;
    }
    // lib.optionalAttrs (lib.versionAtLeast config.nix.package.version "2.19") {
      # Else derivations that forbid substitution are never copied to the target's store, only rebuilt there.
      always-allow-substitutes = true;
    };

    # nixpkgs copies itself as the live system's channel. A flake brings its nixpkgs as an input.
    system.installer.channel.enable = mkIf (cfg.flake != null) (mkDefault false);
  };
}
