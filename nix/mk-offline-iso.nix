# An installer ISO for a NixOS configuration. The installed system and the live system are two evaluations of one nixpkgs.
{ package }:
{
  # The folder that is installed: a channel configuration (configuration.nix) or a flake. It becomes /iso/nix-cfg.
  configuration,
  # For a channel configuration: the nixpkgs that it is evaluated with, here and on the target.
  nixpkgs ? null,
  # For a channel configuration: the other channels that it looks up, as sources: { home-manager = …; }.
  channels ? { },
  # For a flake: the flake itself, as an input of the calling flake or its `self`.
  flake ? null,
  # For a flake: which of its nixosConfigurations travel. The first one's nixpkgs makes the live system.
  hosts ? [ ],
  # For a flake: inputs that the hosts do not use, to be left out and not fetched: [ "secrets" "tools/extra" ].
  unusedInputs ? [ ],
  # For a channel configuration: what it is built for. A flake's hosts say it themselves.
  system ? "x86_64-linux",
  # Which of nixpkgs' live systems with Calamares (gnome, plasma6, …). "combined" (26.11) has several in its boot menu, with
  # two kernels; "none" is one without a desktop.
  desktop ? "gnome",
  # The settings file of nix-cfg-install.
  settings ? null,
  # What of the installed system's needs travels: the options of these names in offline-installer.nix say more.
  closure ? null,
  variants ? { },
  locales ? [ "all" ],
  closureList ? null,
  offlineRebuild ? false,
  # More modules for the live system.
  modules ? [ ],
}:
let
  # What the installed system calls itself, as the flake of nixpkgs does it.
  versionSuffix = ".${
    builtins.substring 0 8 (nixpkgs.lastModifiedDate or "19700101")
  }.${nixpkgs.shortRev or "dirty"}";
  version = {
    system.nixos = {
      inherit versionSuffix;
    }
    // (if nixpkgs ? rev then { revision = nixpkgs.rev; } else { });
  };

  # The way that <nixpkgs/nixos> goes on the target.
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
  targets =
    if flake == null then [ (evaluate (configuration + "/configuration.nix")) ] else map host hosts;
  relocated =
    host:
    import ./relocated.nix {
      inherit
        configuration
        flake
        host
        evaluate
        ;
    };
  known = builtins.concatStringsSep ", " (builtins.attrNames (flake.nixosConfigurations or { }));
  host =
    name:
    flake.nixosConfigurations.${name} or (throw ''
      The flake has no nixosConfigurations.${name}.
      It has: ${known}.'');

  # The inputs that the configuration's own lock names and that are not among those of the evaluated flake. Nix copies an
  # inner lock into the outer one when it meets the input, and does not look again when the inner one changes.
  missing =
    let
      file = configuration + "/flake.lock";
      lock =
        if builtins.pathExists file then builtins.fromJSON (builtins.readFile file) else { nodes = { }; };
      locked = builtins.mapAttrs (_name: node: node.locked.narHash or null) lock.nodes;
      here = (import ./inputs-of.nix { without = unusedInputs; } flake).narHashes;
      # The node that a way of names leads to; an input that follows another one is written as such a way.
      resolve =
        way:
        builtins.foldl' (
          at: name:
          let
            next =
              lock.nodes.${at}.inputs.${name} or (throw "flake.lock has no input ${name}: see unusedInputs");
          in
          if builtins.isList next then resolve next else next
        ) lock.root way;
      below =
        { key }:
        map (key: { inherit key; }) (
          builtins.filter builtins.isString (builtins.attrValues (lock.nodes.${key}.inputs or { }))
        );
      unused = map ({ key }: key) (
        builtins.genericClosure {
          startSet = map (way: {
            key = resolve (builtins.filter builtins.isString (builtins.split "/" way));
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
      # Each way must lead to an input.
      builtins.deepSeq unused absent;

  target = builtins.head targets;
  source = if flake == null then "${nixpkgs}" else toString target.pkgs.path;
  # A channel configuration is evaluated on the target with this: the same nixpkgs, by the same store path, with the same
  # version, which a folder in the store cannot know by itself.
  door =
    pkgs:
    pkgs.runCommand "nixpkgs-of-this-iso"
      {
        passAsFile = [ "text" ];
        text = ''
          # The nixpkgs that this ISO was made with. Only nix-cfg-install uses this file.
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
  # The way in which Nix has the inputs of a flake: of a plain path, "${pkgs.path}" would be a copy of another name.
  fetched =
    if nixpkgs ? narHash then
      "\${builtins.fetchTree { type = \"path\"; path = \"${source}\"; narHash = \"${nixpkgs.narHash}\"; }}"
    else
      source;
  # The channels of the target, as `nix-channel` leaves them: a link for each, into a store path that has its name.
  profile =
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
      folder = "${source}/nixos/modules/installer/cd-dvd";
      other = {
        none = "minimal";
        combined = "graphical-combined";
      };
      name = other.${desktop} or "graphical-calamares-${desktop}";
      module = "${folder}/installation-cd-${name}.nix";
    in
    if builtins.pathExists module then
      module
    else
      throw "This nixpkgs has no live system `${desktop}`: there is no installation-cd-${name}.nix in ${folder}.";

  live = import "${source}/nixos/lib/eval-config.nix" {
    system = null;
    modules = [
      liveModule
      ./offline-installer.nix
      (
        {
          config,
          pkgs,
          lib,
          ...
        }:
        {
          nixpkgs.hostPlatform = lib.mkDefault target.pkgs.stdenv.hostPlatform.system;
          system.nixos = {
            versionSuffix = lib.mkDefault target.config.system.nixos.versionSuffix;
            revision = lib.mkDefault target.config.system.nixos.revision;
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
            relocated = if flake == null then [ (relocated null) ] else map relocated hosts;
            package = lib.mkDefault (package pkgs);
            settingsFile = settings;
            settings = lib.mkIf (flake == null) (
              {
                nixpkgs = "${door pkgs}";
              }
              // lib.optionalAttrs (channels != { }) {
                # nixpkgs has its copy of itself, which is the channel `nixos`, under no other name than this.
                channels = "${profile pkgs (
                  lib.optional config.system.installer.channel.enable config.nix.registry.nixpkgs.to.path
                )}";
              }
            );
          };
        }
      )
    ]
    ++ modules;
  };
  image = live.config.system.build.isoImage;
in
if flake == null && nixpkgs == null then
  throw "mkOfflineIso takes `nixpkgs` for a channel configuration, or `flake` and `hosts` for a flake."
else if flake != null && hosts == [ ] then
  throw ''
    mkOfflineIso needs `hosts`: which of the flake's nixosConfigurations are installed from this ISO.
    It has: ${known}.''
else if flake != null && missing != [ ] then
  throw ''
    The flake in ${toString configuration} is locked to other inputs than those that go onto the ISO: ${toString missing}.
    On the target its own flake.lock counts, and these inputs would not be there.
    Run `nix flake update config` in the folder that is built, or `nix flake lock` in the configuration if that has no lock.
    (Before Nix 2.19: `nix flake lock --update-input config`.)''
else
  image
  // {
    # The live system and what it installs, to look into: `nix eval .#iso.live.config.…`.
    inherit live targets;
    # The name that nix-offline-iso gave it.
    "offline-installer-${target.pkgs.stdenv.hostPlatform.system}" = image;
  }
