# What an offline installer must hold so that a system can be rebuilt for another machine, and nothing more: the frontier
# (src/store/frontier.rs says what that is). Plain and pure: the .drv files are read by a derivation of our own, whose
# builder is the static nix-cfg-iso (import from derivation).
{
  # The system that is installed, as `nixosSystem` gives it.
  target,
  # The static program nix-cfg-iso.
  tool,
  # The module files of the target that its hardware-configuration.nix is; the variants replace them.
  hardware ? [ ],
  # `{ zfs = false; }` drops a variant; `{ lab = { reason = "…"; module = …; }; }` adds one.
  variants ? { },
  # The locales that can be chosen without a network.
  locales ? [ "all" ],
  # The same system from a copy of its tree at another store path, as it will be on the target (elsewhere.nix).
  elsewhere ? null,
  # Where import from derivation is forbidden: the file that `nix-cfg-iso pin` wrote.
  list ? null,
}:
let
  inherit (target.pkgs) lib;
  inherit (target.pkgs.stdenv.hostPlatform) system;
  family = import ./variants.nix { inherit lib target locales; };
  # A path and not a string: that would copy all of nixpkgs.
  modules = target.pkgs.path + "/nixos/modules";

  dropped = builtins.filter (name: variants.${name} == false) (builtins.attrNames variants);
  droppedVariants = builtins.filter (name: family.variants ? ${name}) dropped;
  added = lib.mapAttrs (
    _: variant:
    {
      imports = [ ];
      modulePackages = [ ];
    }
    // variant
  ) (lib.filterAttrs (_: builtins.isAttrs) variants);

  # All share the packages of the target: evaluating those is the larger part of the cost.
  evaluate =
    variant:
    target.extendModules {
      modules = [
        (
          { config, lib, ... }:
          {
            imports = map (path: modules + path) variant.imports ++ [ variant.module ];
            disabledModules = hardware;
            boot.extraModulePackages = map (name: config.boot.kernelPackages.${name}) variant.modulePackages;
            _module.args.pkgs = lib.mkForce target.pkgs;
            # Advice for a machine that nobody has.
            warnings = lib.mkForce [ ];
          }
        )
      ];
    };
  evaluated = lib.mapAttrs (_: evaluate) (removeAttrs family.variants dropped // added);

  # A machine on which the configuration itself fails needs nothing: the installer tells that error.
  obstacle =
    machine:
    let
      failed = builtins.filter (assertion: !assertion.assertion) machine.config.assertions;
      drivers = machine.config.boot.extraModulePackages;
      refused = builtins.filter (package: !(builtins.tryEval package.outPath).success) drivers;
    in
    if failed != [ ] then
      "the configuration refuses it: ${(builtins.head failed).message}"
    else if refused != [ ] then
      "the configuration does not allow ${
        lib.concatMapStringsSep ", " lib.getName refused
      } (unfree, insecure or broken)"
    else
      null;
  obstacles = lib.filterAttrs (_: reason: reason != null) (lib.mapAttrs (_: obstacle) evaluated);
  possible = removeAttrs evaluated (builtins.attrNames obstacles);
  # Why a variant is not on the image.
  skipped = lib.genAttrs droppedVariants (_: "the image was made without it") // obstacles;

  toplevels = {
    inherit target;
  }
  // possible
  // (if elsewhere == null then { } else { inherit elsewhere; });
  drvs = lib.mapAttrs (_: machine: machine.config.system.build.toplevel.drvPath) toplevels;

  # Its output names .drv files, and to keep them Nix would have to keep all that they need: nothing but the text is used.
  read = file: builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile file));
  report = derivation {
    name = "offline-closure.json";
    inherit system;
    builder = tool;
    args = [
      "frontier"
      "--out"
      (placeholder "out")
      "--generate-config"
      generateConfig
    ]
    # Else realising this would first build all of it.
    ++ lib.mapAttrsToList (name: drv: "${name}=${builtins.unsafeDiscardOutputDependency drv}") drvs;
  };
  generateConfig =
    let
      places = [
        (modules + "/installer/tools/nixos-generate-config.pl")
        (target.pkgs.path + "/pkgs/by-name/ni/nixos-generate-config/nixos-generate-config.pl")
      ];
      found = builtins.filter builtins.pathExists places;
    in
    if found == [ ] then
      throw "This nixpkgs keeps nixos-generate-config in a place that is not known: ${toString places}"
    else
      builtins.path {
        path = builtins.head found;
        name = "nixos-generate-config.pl";
      };

  facts =
    if list == null then
      builtins.addErrorContext ''
        while finding out what the image must hold: the derivations are read during the evaluation. Where import from
        derivation is forbidden, run `nix-cfg-iso pin`, or set `closure` to "runtime"'' (read report)
    else
      let
        plain = lib.mapAttrs (_: builtins.unsafeDiscardStringContext) drvs;
        pinned = builtins.filter (closure: closure.roots == plain) (read list);
      in
      if pinned != [ ] then
        builtins.head pinned
      else
        throw ''
          ${toString list} is not of this configuration and this nixpkgs. Make it again:
            nix-cfg-iso pin DIR'';

  # Paths become dependencies again: the .drv files are there, because their evaluation was forced.
  depend =
    entry:
    lib.mapAttrsToList (
      output: path: builtins.appendContext path { ${entry.drv}.outputs = [ output ]; }
    ) entry.outputs;

  # Whether a variant covers what nixos-generate-config can write.
  definitions = family.variants // added;
  machines = evaluated // lib.mapAttrs (_: evaluate) (lib.getAttrs droppedVariants family.variants);
  covers =
    what: name:
    let
      inherit (machines.${name}) config;
    in
    {
      attribute = lib.attrByPath (lib.splitString "." what.name) false config == true;
      import = builtins.elem what.name definitions.${name}.imports;
      package = builtins.elem what.name (
        map (package: "config.boot.kernelPackages.${package}") definitions.${name}.modulePackages
      );
      # `ext` is the module of ext2, ext3 and ext4.
      filesystem = lib.any (fs: lib.hasPrefix what.name fs.fsType) (
        builtins.attrValues config.fileSystems
      );
    }
    .${what.kind};
  coveredBy = names: what: builtins.filter (covers what) names;

  written =
    facts.emits
    ++ map (file: {
      kind = "filesystem";
      name = lib.removeSuffix ".nix" file;
    }) (builtins.attrNames (builtins.readDir (modules + "/tasks/filesystems")));
  open = builtins.filter (
    what:
    !(what.kind == "attribute" && builtins.elem what.name family.free)
    && coveredBy (builtins.attrNames possible) what == [ ]
  ) written;
  because =
    what:
    let
      would = coveredBy (builtins.attrNames skipped) what;
    in
    if family.never ? ${what.name} then
      family.never.${what.name}
    else if would != [ ] then
      "${skipped.${builtins.head would}} (${builtins.head would})"
    else if builtins.elem what.name dropped then
      "the image was made without it"
    else
      null;
  uncovered = builtins.filter (what: because what == null) open;
  misspelt = builtins.filter (
    name: !(builtins.elem name (droppedVariants ++ map (what: what.name) written))
  ) dropped;
  checked =
    value:
    if misspelt != [ ] then
      throw "There is no variant ${toString misspelt}. There are: ${toString (builtins.attrNames family.variants)}"
    else if uncovered != [ ] then
      throw ''
        The nixos-generate-config of this nixpkgs can write what no variant covers:
        ${lib.concatMapStringsSep "\n" (what: "  ${what.name} (${what.kind})") uncovered}
        An image made now could not install such a machine. Either add a variant that has it:
          variants.NAME = { reason = "…"; module = { … }; };
        or leave it out, and the installer will refuse such a machine with that reason:
        ${lib.concatMapStringsSep "\n" (what: "  variants.\"${what.name}\" = false;") uncovered}''
    else
      value;
in
{
  # For each variant the derivation of its system, and the source of nixos-generate-config.
  inherit drvs generateConfig;
  # What the tool found: counts, and each output with the variants that need it.
  facts = checked facts;
  # The variants that are not on the image, with the reason.
  inherit skipped;
  # What the image's store must hold besides the runtime closure of the target.
  storePaths = lib.warnIf (obstacles != { }) ''
    This image will not install on every machine. Left out:
    ${lib.concatStringsSep "\n" (
      lib.mapAttrsToList (
        name: why: "  ${name} (${family.variants.${name}.reason or ""}): ${why}"
      ) obstacles
    )}'' (lib.concatMap depend (checked facts).frontier);
  # What a hardware configuration must not have, with the reason: for the installer's settings.
  refuse = checked (map (what: what // { reason = because what; }) open);
}
