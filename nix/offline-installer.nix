# Turns a NixOS live system (one of nixpkgs' installation CDs) into an offline installer for a configuration.
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

  # What the image takes from each system. All of it is evaluated at once and holds nothing of the evaluation, which is freed
  # before that of the next system: so the memory does not grow with their number.
  described = builtins.foldl' (
    before: target: before ++ [ (describe before target) ]
  ) [ ] cfg.targets;
  describe =
    before: target:
    let
      system = systemOf target;
      disko = import ./disko-scripts.nix system;
      layout = import ./disko-layout.nix "destroyFormatMount" system;
      kept = {
        toplevel = "${system.config.system.build.toplevel}";
        name = system.config.system.name or system.config.networking.hostName;
        drv = system.config.system.build.toplevel.drvPath;
        scripts = map (script: "${script}") (builtins.attrValues disko);
        # What the page "Disk" of Calamares asks for. Without file systems in it, the page of partitions does as well.
        layout =
          if disko ? disko-wipe && layout.sets_file_systems then
            {
              disks = map (disk: { inherit (disk) name destroy; }) layout.disks;
              asks = layout.asking != [ ];
            }
          else
            null;
        inherit (system.config.system) includeBuildDependencies;
        features = featuresOf system;
        asked = import ./decided.nix system;
        withoutFileSystems = import ./grub-file-systems.nix {
          inherit pkgs system;
          grubOnBios = cfg.flake == null && cfg.hosts != [ ];
        };
        closure = if onlyRuntime then null else removeAttrs (closureOf system (others before)) anew;
      };
    in
    builtins.deepSeq kept kept;
  others = before: if builtins.length cfg.targets > 1 then map (one: one.closure) before else null;
  # What of closure.nix is not plain, and so not kept.
  anew = [
    "drvsFor"
    "sources"
    "tried"
    "trees"
  ];
  systemOf = target: if builtins.isFunction target then target { } else target;
  # The default, which has the priority 1500, is never "runtime". It depends on what is described.
  onlyRuntime = options.offlineInstaller.closure.highestPrio < 1500 && cfg.closure == "runtime";

  # What rebuilding a system for other machines needs, from closure.nix.
  closureOf =
    target: others:
    import ./closure.nix {
      inherit target others;
      inherit (cfg) variants locales;
      common = cfg.describeCommon;
      trees = map builtins.unsafeDiscardStringContext [
        (toString tree)
        "${tree}"
      ];
      list = cfg.closureList;
      tool = "${cfg.package.static or "${cfg.package}/bin"}/nix-cfg-iso";
      hardware = builtins.filter (
        file:
        baseNameOf file == "hardware-configuration.nix"
        || toString file == "${toString tree}/${namedHardware}"
      ) (lib.filesystem.listFilesRecursive tree);
    };
  # For the programs that look into the image; what is not plain is evaluated anew.
  closures = lib.zipListsWith (
    target: one:
    builtins.mapAttrs (name: value: if builtins.elem name anew then value else one.closure.${name}) (
      closureOf (systemOf target) null
    )
  ) cfg.targets described;
  # One path that refers to all of them, for the installer to copy. A .drv file would not refer to outputs.
  kept = "${pkgs.closureInfo { rootPaths = cfg.rebuildPaths; }}";

  # What is installed, and what installing it on other machines needs.
  systemsOf = some: lib.concatMap (one: [ one.toplevel ] ++ one.scripts) some ++ rebuildPathsOf some;
  systems = systemsOf described;
  rebuildPathsOf =
    some:
    (if cfg.closure == "full" then map (one: one.drv) some else [ ])
    ++ (if onlyRuntime then [ ] else lib.concatMap (one: one.closure.storePaths) some)
    ++ sources;
  # What evaluating the configuration needs.
  sources =
    (
      if cfg.flake == null then
        [ ]
      else
        (import ./inputs-of.nix { without = cfg.unusedInputs; } cfg.flake).sources
    )
    ++ cfg.extraStorePaths;
  fromCache = cfg.cache.publicKeys != [ ];
  # The tree, as the paths of its modules name it.
  tree =
    /.
    + builtins.unsafeDiscardStringContext (
      toString (if cfg.flake == null then cfg.configuration else cfg.flake.outPath)
    );

  # The experimental features of a system: its configuration, which is evaluated here, may use them (pipe-operators).
  featuresOf =
    system:
    let
      value = system.config.nix.settings.experimental-features or [ ];
    in
    if builtins.isString value then
      builtins.filter (word: builtins.isString word && word != "") (builtins.split "[ \n]+" value)
    else
      value;

  # The value of `hardware-config` in the settings file, in the form that the generator writes.
  namedHardware =
    let
      found = builtins.match "(.*\n)?hardware-config: \"([^\"\n]+)\".*" settingsFile;
    in
    if found == null then "hardware-configuration.nix" else builtins.elemAt found 1;
  settingsFile = if cfg.settingsFile == null then "" else builtins.readFile cfg.settingsFile;

  # The user's file overrides `settings`: a key that it has is not written again.
  settingsText =
    let
      has = name: builtins.match "(.*\n)?${name}:.*" settingsFile != null;
      line = name: if has name then "" else "${name}: ${builtins.toJSON cfg.settings.${name}}\n";
    in
    "${settingsFile}\n${lib.concatStrings (map line (builtins.attrNames cfg.settings))}";
in
{
  imports = [
    ./cache.nix
    ./calamares.nix
    ./image.nix
    ./unattended.nix
  ];

  options.offlineInstaller = {
    configuration = mkOption {
      type = types.path;
      example = literalExpression "./nix-cfg";
      description = ''
        The directory with the configuration that is installed: configuration.nix, or flake.nix with its lock.
        It is on the ISO as `/iso/nix-cfg`.
      '';
    };
    targets = mkOption {
      type = types.listOf types.raw;
      example = literalExpression "[ self.nixosConfigurations.alpha ]";
      description = ''
        The systems that are installed, as `nixosSystem` returns them, or functions that return them: these are evaluated one after
        the other, and each is freed before the next. What they need is in the ISO's store.
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
        The names of the targets in the flake's nixosConfigurations, or the directories of channel configurations. A single one is
        installed without asking. With several, a page of Calamares asks for the choice.
      '';
    };
    flake = mkOption {
      type = types.nullOr types.raw;
      default = null;
      example = literalExpression "self";
      description = ''
        The flake of the targets, if they are from one. All of its inputs, nested ones included, are in the ISO's store as
        sources, so that it can be evaluated with its lock unchanged.
      '';
    };
    unusedInputs = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "secrets" ];
      description = ''
        Inputs of the flake that the targets do not use, by the path of their names (`tools/extra`). They are not fetched and not on
        the ISO: for inputs that you cannot fetch where the ISO is built.
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
      description = "The settings of nix-cfg-install as a YAML file. Its keys override `settings`.";
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
      default = if lib.any (one: one.includeBuildDependencies) described then "full" else "frontier";
      defaultText = literalExpression ''"full" if a target has system.includeBuildDependencies, else "frontier"'';
      description = ''
        How much of the targets is in the ISO's store.

        - `frontier`: what the systems need to run, and what rebuilding them needs for any machine of the `variants` and any
          choice in the installer. No sources; a few hundred store paths more than `runtime`.
        - `full`: also everything that building them needs, sources and compilers included. Any change that needs no new
          package can be built without a network. Tens of gigabytes.
        - `runtime`: only what the systems need to run. Small, and sufficient only for a machine whose hardware configuration
          is the one in the tree.
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
        Changes to the family of machines in variants.nix that the ISO supports (not for `closure = "runtime"`). `false` omits a
        variant: the installer refuses such a machine, with the reason. A new name adds one.
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
        The locales that can be chosen on the target without compiling them with glibc, as in `i18n.supportedLocales`.
      '';
    };
    closureList = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = literalExpression "./closure.json";
      description = ''
        If import from derivation is forbidden: the file that `nix-cfg-iso pin` wrote. The evaluation fails if it is of another
        configuration or nixpkgs.
      '';
    };
    contents = mkOption {
      type = types.package;
      readOnly = true;
      internal = true;
      description = "One path that refers to what an image without a cache holds besides the live system.";
    };
    delta = mkOption {
      type = types.package;
      readOnly = true;
      internal = true;
      description = "What `nix-cfg-iso delta` makes an update image from.";
    };
    describeCommon = lib.mkEnableOption "finding out what all machines have, for `delta`" // {
      internal = true;
    };
    rebuildPaths = mkOption {
      type = types.listOf types.raw;
      readOnly = true;
      internal = true;
      description = "What evaluating and rebuilding the targets needs, in addition to their runtime closures.";
    };
    described = mkOption {
      type = types.listOf types.raw;
      readOnly = true;
      internal = true;
      description = "What the image takes from each target, as plain values.";
    };
    closures = mkOption {
      type = types.listOf types.raw;
      readOnly = true;
      internal = true;
      description = "The result of closure.nix for each target.";
    };
    offlineRebuild = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether the installed machine can be rebuilt without a network: the installer copies what that needs (for
        `closure = "frontier"` the frontier and the sources of a flake's inputs, for `"full"` everything) and protects it from
        garbage collection. `nix-cfg-iso size` shows how much that is.
      '';
    };
    extraStorePaths = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = literalExpression "[ pkgs.htop ]";
      description = ''
        More store paths for the ISO: what the configuration needs while it is evaluated (import from derivation), or packages for
        later changes. `offlineRebuild` also copies them to the machine.
      '';
    };
  };

  config = {
    offlineInstaller = {
      inherit closures described;
      rebuildPaths = rebuildPathsOf described;
      contents = pkgs.closureInfo { rootPaths = systems; };
      delta = import ./delta.nix {
        inherit config lib pkgs;
        targets = map (one: {
          inherit (one) name;
          roots = systemsOf [ one ];
          common = if onlyRuntime then systemsOf [ one ] else one.closure.commonPaths;
        }) described;
      };
      settings = lib.mkMerge [
        {
          choices = "${import ./answers.nix {
            inherit pkgs;
            inherit (cfg) locales;
          }}";
        }
        (mkIf (!onlyRuntime) {
          not-covered = lib.unique (lib.concatMap (one: one.closure.refuse) described);
        })
        (mkIf (builtins.length cfg.hosts == 1) { host = mkDefault (builtins.head cfg.hosts); })
        (mkIf cfg.offlineRebuild {
          # The cache brings it.
          offline-rebuild = if fromCache then builtins.unsafeDiscardStringContext kept else kept;
        })
      ];
    };
    assertions = [
      {
        assertion = cfg.offlineRebuild -> cfg.closure != "runtime";
        message = ''
          offlineInstaller.offlineRebuild: with `closure = "runtime"` nothing is on the ISO that a rebuild could use.
          Use "frontier" or "full".'';
      }
    ];

    environment.systemPackages = [ cfg.package ];
    environment.etc."nix-cfg-install.yaml".text = settingsText;

    isoImage.storeContents = if fromCache then sources else systems;

    # Nix must not wait for a network: neither for the flake registry nor for a cache.
    nix.settings = {
      experimental-features = lib.unique (
        [
          "nix-command"
          "flakes"
        ]
        ++ lib.concatMap (one: one.features) described
      );
      flake-registry = "";
      substituters = mkForce [ ];
      connect-timeout = mkDefault 1;
      download-attempts = mkDefault 1;
    }
    // lib.optionalAttrs (lib.versionAtLeast config.nix.package.version "2.19") {
      # Otherwise derivations that forbid substitution are never copied to the target's store, but rebuilt there.
      always-allow-substitutes = true;
    };

    # nixpkgs copies itself as the live system's channel. A flake brings its nixpkgs as an input.
    system.installer.channel.enable = mkIf (cfg.flake != null) (mkDefault false);
  };
}
