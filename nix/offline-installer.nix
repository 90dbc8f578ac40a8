# Makes a NixOS live system (one of nixpkgs' installation CDs) an offline installer for a configuration.
{
  config,
  lib,
  options,
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

  # What the targets need to be rebuilt for other machines; not looked at for `closure = "runtime"`.
  closures = lib.zipListsWith (
    target: relocated:
    import ./closure.nix {
      inherit target relocated;
      inherit (cfg) variants locales;
      list = cfg.closureList;
      tool = "${cfg.package.static or "${cfg.package}/bin"}/nix-cfg-iso";
      hardware = builtins.filter (
        file:
        baseNameOf file == "hardware-configuration.nix"
        || toString file == "${toString tree}/${namedHardware}"
      ) (lib.filesystem.listFilesRecursive tree);
    }
  ) cfg.targets (cfg.relocated ++ lib.genList (_: null) (builtins.length cfg.targets));
  # One path for the installer to copy. It names each one of them, and so refers to outputs that a .drv file does not.
  kept = pkgs.closureInfo { rootPaths = cfg.rebuildPaths; };
  # As its modules name it.
  tree =
    /.
    + builtins.unsafeDiscardStringContext (
      toString (if cfg.flake == null then cfg.configuration else cfg.flake.outPath)
    );

  # What the Nix of a target knows more: its configuration may be written with it (pipe-operators), and is evaluated here.
  features =
    target:
    let
      value = target.config.nix.settings.experimental-features or [ ];
    in
    if builtins.isString value then
      builtins.filter (word: builtins.isString word && word != "") (builtins.split "[ \n]+" value)
    else
      value;

  # What `hardware-config` says, in the file as the generator writes it.
  namedHardware =
    let
      found = builtins.match "(.*\n)?hardware-config: \"([^\"\n]+)\".*" settingsFile;
    in
    if found == null then "hardware-configuration.nix" else builtins.elemAt found 1;
  settingsFile = if cfg.settingsFile == null then "" else builtins.readFile cfg.settingsFile;

  # The user's file goes first and wins: a key that it has is not written again.
  settingsText =
    let
      has = name: builtins.match "(.*\n)?${name}:.*" settingsFile != null;
      line = name: if has name then "" else "${name}: ${builtins.toJSON cfg.settings.${name}}\n";
    in
    "${settingsFile}\n${lib.concatStrings (map line (builtins.attrNames cfg.settings))}";

  # The kernel can use all processors to unpack the store (nixpkgs sets SQUASHFS_CHOICE_DECOMP_BY_MOUNT from Linux 6.2 on;
  # without it the option is an error and the store would not be mounted). Newer nixpkgs ask for it themselves.
  storeOptions = config.lib.isoFileSystems."/nix/.ro-store".content.options or [ ];
  threads =
    lib.versionAtLeast config.boot.kernelPackages.kernel.version "6.2"
    && !builtins.elem "threads=multi" storeOptions;
  # nixpkgs' installation-cd-base.nix defines all of `fileSystems` with the priority of image media, and `swapDevices` as
  # well: beside it, a definition with the ordinary priority is dropped; without it, one with that priority drops the others.
  imageMedia = (lib.mkImageMediaOverride null).priority;
  fileSystemsPriority = if options.swapDevices.highestPrio == imageMedia then imageMedia else 100;
in
{
  imports = [ ./calamares.nix ];

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
    hosts = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "laptop"
        "server"
      ];
      description = ''
        The names of the targets among the flake's nixosConfigurations. The only one is installed without a question; of
        several, the person at the machine chooses: Calamares has a page for it.
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
    unusedInputs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "secrets" ];
      description = ''
        Inputs of the flake that the targets do not use, by the way to them (`tools/extra`). They are not fetched, and not on
        the ISO: for inputs that whoever makes the ISO cannot fetch.
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
        "frontier"
        "full"
        "runtime"
      ];
      default =
        if lib.any (target: target.config.system.includeBuildDependencies) cfg.targets then
          "full"
        else
          "frontier";
      defaultText = literalExpression ''"full" if a target has system.includeBuildDependencies, else "frontier"'';
      description = ''
        What of the targets is in the ISO's store.

        - `frontier`: what the systems need to run, and what is needed to rebuild them for any machine and for any choice
          of the installer (the `variants`). No sources; a few hundred store paths more than `runtime`.
        - `full`: besides, all that building them needs, sources and compilers included. Any change that does not ask for
          a new package can be built without a network. Tens of gigabytes.
        - `runtime`: only what the systems need to run. Small, and enough only for a machine whose hardware
          configuration is the very one in the tree.
      '';
    };
    variants = mkOption {
      type = types.attrsOf types.raw;
      default = { };
      example = literalExpression ''
        {
          zfs = false;
          parallels = false;
          lab = {
            reason = "the lab's machines have this card";
            module = { config, ... }: { boot.extraModulePackages = [ config.boot.kernelPackages.rtl8821ce ]; };
          };
        }
      '';
      description = ''
        Changes to the family of machines in variants.nix that the ISO is made for (not with `closure = "runtime"`). `false` leaves one out:
        the installer refuses such a machine and says why. A name of your own adds one.
      '';
    };
    locales = mkOption {
      type = types.listOf types.str;
      default = [ "all" ];
      example = [
        "de_DE.UTF-8/UTF-8"
        "en_US.UTF-8/UTF-8"
      ];
      description = ''
        The locales that can be chosen on the target without compiling glibc's, as `i18n.supportedLocales` takes them.
      '';
    };
    closureList = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = literalExpression "./closure.json";
      description = ''
        Where import from derivation is forbidden: the file that `nix-cfg-iso pin` wrote. It must be of this very
        configuration and nixpkgs; otherwise the evaluation says so.
      '';
    };
    relocated = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      internal = true;
      description = "The targets again, from a copy of their tree at another store path.";
    };
    rebuildPaths = mkOption {
      type = types.listOf types.raw;
      readOnly = true;
      internal = true;
      description = "What evaluating and rebuilding the targets needs, besides what they need to run.";
    };
    closures = mkOption {
      type = types.listOf types.raw;
      readOnly = true;
      internal = true;
      description = "What closure.nix found, one for each target.";
    };
    offlineRebuild = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the installed machine can be rebuilt without a network: the installer leaves there what that needs (with
        `closure = "frontier"` the frontier and the sources of a flake's inputs, with `"full"` everything), safe from its
        garbage collector. `nix-cfg-iso size` says how much that is.
      '';
    };
    extraStorePaths = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = literalExpression "[ pkgs.htop ]";
      description = ''
        More store paths for the ISO's store: what the configuration needs while it is evaluated (import from derivation), or
        packages that a later change may ask for. `offlineRebuild` keeps them on the machine, too.
      '';
    };
  };

  config = {
    offlineInstaller = {
      inherit closures;
      rebuildPaths =
        (if cfg.closure == "full" then map (toplevel: toplevel.drvPath) toplevels else [ ])
        ++ (if cfg.closure != "runtime" then lib.concatMap (closure: closure.storePaths) closures else [ ])
        ++ (
          if cfg.flake == null then
            [ ]
          else
            (import ./inputs-of.nix { without = cfg.unusedInputs; } cfg.flake).sources
        )
        ++ cfg.extraStorePaths;
      settings = lib.mkMerge [
        (mkIf (cfg.closure != "runtime") {
          not-covered = lib.unique (lib.concatMap (closure: closure.refuse) closures);
        })
        (mkIf (builtins.length cfg.hosts == 1) { host = mkDefault (builtins.head cfg.hosts); })
        (mkIf cfg.offlineRebuild { offline-rebuild = "${kept}"; })
      ];
    };
    assertions = [
      {
        assertion = cfg.offlineRebuild -> cfg.closure != "runtime";
        message = ''
          offlineInstaller.offlineRebuild: with `closure = "runtime"` nothing is on the ISO that a rebuild could use.
          Take "frontier" or "full".'';
      }
    ];

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
      storeContents = toplevels ++ cfg.rebuildPaths;
      # nixpkgs' own level 19 makes an image 11 % smaller and takes 22 times as long: a Debian /usr of 158 MB became 46.3 MB
      # in 1.9 s of one processor (level 6) and 41.1 MB in 43 s (level 19). Reading is as fast.
      squashfsCompression = mkDefault "zstd -Xcompression-level 6";
      # The boot loader finds the medium by this name, of at most 32 characters: another NixOS stick must not have it.
      volumeID = mkDefault (
        builtins.substring 0 32
          "nixos-offline-${config.system.nixos.release}-${pkgs.stdenv.hostPlatform.uname.processor}"
      );
    };

    # In 24.05 the kernel depends on which file systems there are: the condition is only about the options of this one.
    fileSystems = lib.mkOverride fileSystemsPriority {
      "/nix/.ro-store" = lib.mkImageMediaOverride { options = mkIf threads [ "threads=multi" ]; };
    };

    # No network is looked for: not for a registry, and not for a cache.
    nix.settings = {
      experimental-features = lib.unique (
        [
          "nix-command"
          "flakes"
        ]
        ++ lib.concatMap features cfg.targets
      );
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
