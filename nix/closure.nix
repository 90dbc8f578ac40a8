# The frontier of a system: what an offline installer must hold to rebuild it for another machine (docs/closure.md). Pure: a
# derivation whose builder is the static nix-cfg-iso reads the .drv files (import from derivation).
{
  # The system that is installed, as `nixosSystem` returns it.
  target,
  # The static program nix-cfg-iso.
  tool,
  # The target's hardware-configuration.nix: module files that the variants replace.
  hardware ? [ ],
  # `{ zfs = false; }` omits a variant; `{ lab = { reason = "…"; module = …; }; }` adds one.
  variants ? { },
  # The locales that can be chosen without a network, as in i18n.supportedLocales.
  locales ? [ "all" ],
  # The store paths of its configuration, as text: the tree has another path on the target, because its hardware-configuration.nix
  # differs, so what is made from "${self}/…" is built again there.
  trees ? [ ],
  # If import from derivation is forbidden: the file that `nix-cfg-iso pin` wrote.
  list ? null,
  # Whether `commonPaths` is asked for, which takes one more machine.
  common ? false,
  # What this file returned for the systems before this one, or null if it is the only one. The variants of one that is made of the
  # same packages are not evaluated again.
  others ? null,
}:
let
  inherit (target.pkgs) lib;
  inherit (target.pkgs.stdenv.hostPlatform) system;

  # What nixos-generate-config can write is read from these: its source (null if this nixpkgs has it in an unknown place) and
  # the modules for file systems.
  sources =
    let
      copy =
        path:
        builtins.path {
          inherit path;
          name = baseNameOf path;
        };
      nixpkgs = target.pkgs.path;
      scripts = builtins.filter builtins.pathExists [
        (nixpkgs + "/nixos/modules/installer/tools/nixos-generate-config.pl")
        (nixpkgs + "/pkgs/by-name/ni/nixos-generate-config/nixos-generate-config.pl")
      ];
    in
    {
      generateConfig = if scripts == [ ] then null else copy (builtins.head scripts);
      filesystems = copy (nixpkgs + "/nixos/modules/tasks/filesystems");
    };

  familyFor =
    written:
    import ./family.nix {
      inherit
        target
        hardware
        variants
        locales
        written
        ;
    };
  # The toplevel's .drv path, and the scripts of disko, in which another disk may be named on the machine.
  ownDrvs = {
    target = target.config.system.build.toplevel.drvPath;
  }
  // lib.mapAttrs (_: script: script.drvPath) (import ./disko-scripts.nix target);
  # The same with the toplevel of each variant, by name.
  drvsOf =
    { common }:
    family:
    family.checked (
      ownDrvs // family.drvs // lib.optionalAttrs common { ${minimal} = family.minimal; }
    );
  # No variant of the caller's has this name.
  minimal = "the minimal machine";

  # The JSON that the tool writes in a derivation. It contains .drv paths, and their context would make everything that they need a
  # dependency: only the text is used.
  read = file: builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile file));
  ask =
    name: args:
    builtins.addErrorContext
      ''
        while determining what the image must hold: the derivations are read during the evaluation. If import from
        derivation is forbidden, run `nix-cfg-iso pin`, or set `closure` to "runtime"''
      (
        read (derivation {
          inherit name system;
          builder = tool;
          args = args ++ [
            "--out"
            (placeholder "out")
          ];
        })
      );

  frontierOf =
    drvs:
    ask "offline-closure.json" (
      [ "frontier" ]
      ++ lib.concatMap (tree: [
        "--tree"
        tree
      ]) trees
      # With their full context, realising this would build all of it first.
      ++ lib.mapAttrsToList (name: drv: "${name}=${builtins.unsafeDiscardOutputDependency drv}") drvs
    );
  found =
    let
      family = familyFor (
        ask "hardware-features.json" (
          [
            "hardware-features"
            "--filesystems"
            sources.filesystems
          ]
          ++ lib.optionals (sources.generateConfig != null) [
            "--generate-config"
            sources.generateConfig
          ]
        )
      );
      drvs = drvsOf { inherit common; } family;
    in
    {
      inherit family drvs;
      facts = frontierOf drvs;
    };
  pinned =
    let
      plain = lib.mapAttrs (_: builtins.unsafeDiscardStringContext);
      system = builtins.unsafeDiscardStringContext target.config.system.build.toplevel.drvPath;
      candidates = map (facts: rec {
        inherit facts;
        family = familyFor facts.written;
        drvs = drvsOf { common = true; } family;
      }) (builtins.filter (facts: facts.roots.target == system && facts ? written) (read list));
      fresh = builtins.filter (one: plain one.drvs == one.facts.roots) candidates;
    in
    if fresh != [ ] then
      builtins.head fresh
    else
      throw ''
        ${toString list} does not match this configuration and this nixpkgs. Write it again:
          nix-cfg-iso pin DIR'';
  inherit (if list == null then found else pinned) facts family drvs;

  # Makes the paths dependencies again. The .drv files exist, because their evaluation was forced.
  depend =
    entry:
    lib.mapAttrsToList (
      output: path: builtins.appendContext path { ${entry.drv}.outputs = [ output ]; }
    ) entry.outputs;
  # All that are whole systems.
  everyVariant = [
    "target"
    minimal
  ]
  ++ lib.subtractLists family.bootLoaders (builtins.attrNames family.drvs);

  likeness =
    # A variant of the caller's may look at the host.
    if others == null || list != null || lib.any builtins.isAttrs (builtins.attrValues variants) then
      null
    else
      import ./likeness.nix {
        inherit target;
        inherit (found) family;
        inherit (frontierOf ownDrvs) frontier;
      };
  alike =
    if likeness == null then [ ] else builtins.filter (other: other.likeness == likeness) others;
  own = {
    inherit facts drvs;
    inherit (family)
      automatic
      refuse
      skipped
      uncovered
      warnings
      ;
    # What the image's store must hold in addition to the target's runtime closure; with `common` and without the same,
    # so that an update image is of the ISO as it was built.
    storePaths = builtins.foldl' (value: text: lib.warnIf true text value) (lib.concatMap depend (
      builtins.filter (entry: entry.variants != [ minimal ]) facts.frontier
    )) family.warnings;
    # What of it machines with any hardware need. None, unless `common`.
    commonPaths = lib.concatMap depend (
      builtins.filter (
        entry: builtins.all (name: builtins.elem name entry.variants) everyVariant
      ) facts.frontier
    );
  };
in
builtins.head (alike ++ [ own ])
// {
  inherit likeness sources trees;
  inherit (family) tried;
  # The same for `nix-cfg-iso pin`, which reads by itself what nixos-generate-config can write.
  drvsFor = written: drvsOf { common = true; } (familyFor written);
}
