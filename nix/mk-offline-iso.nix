# Makes an installer ISO for a NixOS configuration. One nixpkgs evaluates the installed system and the live system.
{ package }:
{
  # The directory that is installed: a channel configuration (configuration.nix), a flake, or with `hosts` a directory with a channel
  # configuration for each of them (gnome/configuration.nix). It becomes /iso/nix-cfg.
  configuration,
  # For a channel configuration: the nixpkgs that evaluates it, here and on the target.
  nixpkgs ? null,
  # For a channel configuration: the other channels that it looks up, as sources: { home-manager = …; }.
  channels ? { },
  # For a flake: the flake itself, as an input of the calling flake or its `self`.
  flake ? null,
  # For a flake: which of its nixosConfigurations the ISO installs. The first one's nixpkgs makes the live system. Otherwise: the
  # directories of several channel configurations.
  hosts ? [ ],
  # For a flake: inputs that the hosts do not use and that are not fetched: [ "secrets" "tools/extra" ].
  unusedInputs ? [ ],
  # For a channel configuration: the system that it is built for. A flake's hosts define it themselves.
  system ? "x86_64-linux",
  # Which of nixpkgs' live systems with Calamares (gnome, plasma6, …). "combined" (26.11) has several desktops and kernels in its
  # boot menu; "none" has no desktop.
  desktop ? "gnome",
  # The settings file of nix-cfg-install (docs/settings.md).
  settings ? null,
  # These are options of offline-installer.nix, described there.
  closure ? null,
  variants ? { },
  locales ? [ "all" ],
  closureList ? null,
  offlineRebuild ? false,
  # For `room` and `netboot` of the result: { publicKey = "…"; address = …; }, described in room.nix.
  room ? { },
  # More modules for the live system.
  modules ? [ ],
}:
let
  # The version of the installed system, in the format of nixpkgs' flake.
  versionSuffix = ".${
    builtins.substring 0 8 (nixpkgs.lastModifiedDate or "19700101")
  }.${nixpkgs.shortRev or "dirty"}";
  version = {
    system.nixos = {
      inherit versionSuffix;
    }
    // (if nixpkgs ? rev then { revision = nixpkgs.rev; } else { });
  };

  # As <nixpkgs/nixos> evaluates it on the target.
  evaluate =
    file:
    import "${nixpkgs}/nixos/lib/eval-config.nix" {
      inherit system;
      inherit
        (import ./channels.nix {
          inherit nixpkgs channels system;
          configuration = file;
        })
        lib
        ;
      modules = [
        file
        version
      ];
    };
  # From nothing to each system. What is evaluated in the flake that the caller has is never freed.
  targets =
    if flake == null then
      if hosts == [ ] then
        [ (_: evaluate (configuration + "/configuration.nix")) ]
      else
        map (
          name: _:
          let
            file = "/${name}/configuration.nix";
          in
          if builtins.pathExists (configuration + file) then
            evaluate (configuration + file)
          else
            throw "`hosts` names ${name}, and the configuration has no ${name}/configuration.nix."
        ) hosts
    else
      map (
        name: _:
        (import ./evaluated-anew.nix flake).nixosConfigurations.${name} or (throw ''
          The flake has no nixosConfigurations.${name}.
          It has: ${known}.'')
      ) hosts;
  known = builtins.concatStringsSep ", " (builtins.attrNames (flake.nixosConfigurations or { }));

  # The inputs that the configuration's own lock names and that the evaluated flake does not have. Nix copies an inner lock into the
  # outer one when it adds the input, and does not notice when the inner one changes.
  missing =
    let
      file = configuration + "/flake.lock";
      lock =
        if builtins.pathExists file then builtins.fromJSON (builtins.readFile file) else { nodes = { }; };
      locked = builtins.mapAttrs (_name: node: node.locked.narHash or null) lock.nodes;
      here = (import ./inputs-of.nix { without = unusedInputs; } flake).narHashes;
      # The node at a path of input names. An input that follows another one is such a path itself.
      resolve =
        inputPath:
        builtins.foldl' (
          at: name:
          let
            next =
              lock.nodes.${at}.inputs.${name} or (throw "flake.lock has no input ${name}: see unusedInputs");
          in
          if builtins.isList next then resolve next else next
        ) lock.root inputPath;
      below =
        { key }:
        map (key: { inherit key; }) (
          builtins.filter builtins.isString (builtins.attrValues (lock.nodes.${key}.inputs or { }))
        );
      unused = map ({ key }: key) (
        builtins.genericClosure {
          startSet = map (inputPath: {
            key = resolve (builtins.filter builtins.isString (builtins.split "/" inputPath));
          }) unusedInputs;
          operator = below;
        }
      );
      absent = builtins.filter (
        name: locked.${name} != null && !builtins.elem locked.${name} here && !builtins.elem name unused
      ) (builtins.attrNames locked);
    in
    if !builtins.pathExists file && here != [ ] then
      [ "all of them" ]
    else
      # Each path of `unusedInputs` must lead to an input.
      builtins.deepSeq unused absent;

  # What the live system takes from the first one before its modules are evaluated.
  first =
    let
      target = builtins.head targets { };
      kept = {
        source = if flake == null then "${nixpkgs}" else toString target.pkgs.path;
        inherit (target.pkgs.stdenv.hostPlatform) system;
        inherit (target.config.system.nixos) versionSuffix revision;
      };
    in
    builtins.deepSeq kept kept;
  inherit (first) source;
  # What evaluates a channel configuration on the target: the same nixpkgs by the same store path, with the same version, which a
  # directory in the store does not contain.
  nixpkgsOfIso =
    pkgs:
    pkgs.runCommand "nixpkgs-of-this-iso"
      {
        passAsFile = [ "text" ];
        text = ''
          # The nixpkgs that this ISO was built with. Only nix-cfg-install uses this file.
          { configuration ? <nixos-config>, system ? builtins.currentSystem }:
          let
            evaluated = import "${fetched}/nixos/lib/eval-config.nix" {
              inherit system;
              modules = [
                configuration
                (builtins.fromJSON ${builtins.toJSON (builtins.toJSON version)})
              ];
            };
          in
          {
            inherit (evaluated) config options pkgs;
            system = evaluated.config.system.build.toplevel;
          }
        '';
      }
      ''
        mkdir -p $out/nixos
        cp "$textPath" $out/nixos/default.nix
        ln -s ${source} $out/nixpkgs
      '';
  # As Nix fetches the inputs of a flake: with a plain path, "${pkgs.path}" would be a copy under another name.
  fetched =
    if nixpkgs ? narHash then
      "\${builtins.fetchTree { type = \"path\"; path = \"${source}\"; narHash = \"${nixpkgs.narHash}\"; }}"
    else
      source;
  # The channels of the target, as `nix-channel` makes them: a link for each, into a store path with its name.
  channelsOfTarget =
    pkgs: nixos:
    let
      named =
        name:
        pkgs.runCommand name { } ''
          mkdir -p $out
          ln -s ${channels.${name}} $out/${name}
        '';
    in
    pkgs.runCommand "channels" { } ''
      mkdir -p $out
      ${builtins.concatStringsSep "\n" (
        map (path: "ln -s ${path} $out/nixos") nixos
        ++ map (name: "ln -s ${named name}/${name} $out/${name}") (builtins.attrNames channels)
      )}
    '';

  liveModule =
    let
      directory = "${source}/nixos/modules/installer/cd-dvd";
      other = {
        none = "minimal";
        combined = "graphical-combined";
      };
      name = other.${desktop} or "graphical-calamares-${desktop}";
      module = "${directory}/installation-cd-${name}.nix";
    in
    if builtins.pathExists module then
      module
    else
      throw "This nixpkgs has no live system `${desktop}`: there is no installation-cd-${name}.nix in ${directory}.";

  # The live system of nixpkgs' module `base`, with `more`.
  evaluateLive =
    base: more:
    import "${source}/nixos/lib/eval-config.nix" {
      system = null;
      modules = [
        base
        ./offline-installer.nix
        (
          {
            config,
            pkgs,
            lib,
            ...
          }:
          {
            nixpkgs.hostPlatform = lib.mkDefault first.system;
            system.nixos = {
              versionSuffix = lib.mkDefault first.versionSuffix;
              revision = lib.mkDefault first.revision;
            };
            offlineInstaller = {
              inherit
                configuration
                flake
                hosts
                targets
                variants
                locales
                unusedInputs
                closureList
                offlineRebuild
                ;
              closure = lib.mkIf (closure != null) closure;
              package = lib.mkDefault (package pkgs);
              settingsFile = settings;
              settings = lib.mkIf (flake == null) (
                {
                  nixpkgs = "${nixpkgsOfIso pkgs}";
                }
                // lib.optionalAttrs (channels != { }) {
                  # Nothing else in nixpkgs names its copy of itself, the channel `nixos`.
                  channels = "${channelsOfTarget pkgs (
                    lib.optional config.system.installer.channel.enable config.nix.registry.nixpkgs.to.path
                  )}";
                }
              );
            };
          }
        )
      ]
      ++ more
      ++ modules;
    };
  live = evaluateLive liveModule [ ];
  updates = evaluateLive liveModule [ { offlineInstaller.describeCommon = true; } ];
  # What starts over the network, and the ISO that serves it.
  netboot = evaluateLive "${source}/nixos/modules/installer/netboot/netboot-minimal.nix" [
    ./netboot.nix
    { offlineInstaller.cache.publicKeys = [ room.publicKey ]; }
  ];
  server = evaluateLive liveModule [
    ./room.nix
    {
      offlineInstaller.room = room // {
        netboot = netboot.config.system.build.netbootDirectory;
      };
    }
  ];
  needsKey =
    what:
    if room ? publicKey then
      what
    else
      throw "A room needs a key: room.publicKey = \"…\"; (docs/fleet.md).";
  # The systems first: what their evaluation took is free for that of the live system, which stays.
  image =
    let
      image = live.config.system.build.isoImage;
      last = builtins.deepSeq live.config.offlineInstaller.described;
    in
    image
    // {
      drvPath = last image.drvPath;
      outPath = last image.outPath;
    };
in
if flake == null && nixpkgs == null then
  throw "mkOfflineIso needs `nixpkgs` for a channel configuration, or `flake` and `hosts` for a flake."
else if flake != null && hosts == [ ] then
  throw ''
    mkOfflineIso needs `hosts`: the flake's nixosConfigurations that this ISO installs.
    It has: ${known}.''
else if flake != null && missing != [ ] then
  throw ''
    The flake in ${toString configuration} is locked to other inputs than those on the ISO: ${toString missing}.
    The target uses the configuration's own flake.lock and would not find these inputs.
    Run `nix flake update config` in the directory of the ISO, or `nix flake lock` in the configuration if it has no lock.
    (Before Nix 2.19: `nix flake lock --update-input config`.)''
else
  image
  // {
    # The live system and what it installs, for inspection: `nix eval .#iso.live.config.…`.
    inherit live;
    targets = map (target: target { }) targets;
    # What a binary cache must hold for an image with `offlineInstaller.cache`: one path that refers to it.
    inherit (live.config.offlineInstaller) contents;
    # What `nix-cfg-iso delta` makes an update image from (docs/update.md).
    delta = updates.config.offlineInstaller.delta // {
      live = updates;
    };
    # A room that one machine serves.
    netboot = needsKey (netboot.config.system.build.netbootDirectory // { live = netboot; });
    room = needsKey (server.config.system.build.isoImage // { live = server; });
    # Boots the ISO in QEMU: `nix run .#iso.try`.
    try = import ./try.nix {
      inherit image;
      pkgs = import source {
        inherit (first) system;
        config = { };
        overlays = [ ];
      };
    };
    # Its name in nix-offline-iso.
    "offline-installer-${first.system}" = image;
  }
