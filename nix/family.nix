# The machines that an image is made for: those of variants.nix, those that the caller adds, and those that are found here
# because a newer nixos-generate-config can write more than variants.nix knows. None of the first and the last can make the
# evaluation of the image fail: what cannot be had is left out with the reason, and the installer refuses such a machine.
{
  target,
  hardware,
  variants,
  locales,
  # What nixos-generate-config can write (`nix-cfg-iso hardware-features`).
  written,
}:
let
  inherit (target.pkgs) lib;
  family = import ./variants.nix {
    inherit
      lib
      target
      locales
      written
      ;
  };
  # A path and not a string: that would copy all of nixpkgs.
  modules = target.pkgs.path + "/nixos/modules";

  dropped = builtins.filter (name: variants.${name} == false) (builtins.attrNames variants);
  droppedVariants = builtins.filter (name: family.variants ? ${name}) dropped;
  unknown = builtins.filter (
    name: !(builtins.elem name (family.names ++ map (what: what.name) written.features))
  ) dropped;
  # Another release of nixpkgs may have written it.
  ofAnother = builtins.filter (name: builtins.match ".*[./].*" name != null) unknown;
  misspelt = lib.subtractLists ofAnother unknown;
  added = lib.mapAttrs (_: family.added) (lib.filterAttrs (_: builtins.isAttrs) variants);
  named = removeAttrs family.variants dropped // added;

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
            # A missing attribute could not be passed over.
            boot.extraModulePackages = map (
              name: config.boot.kernelPackages.${name} or (throw "This kernel has no package ${name}")
            ) variant.modulePackages;
            _module.args.pkgs = lib.mkForce target.pkgs;
            # Advice for a machine that nobody has.
            warnings = lib.mkForce [ ];
          }
        )
      ];
    };
  evaluated = lib.mapAttrs (_: evaluate) named;

  # What tryEval catches: `throw` and failed assertions, as all of nixpkgs' own refusals are. What it does not catch (a
  # missing attribute in nixpkgs itself) ends the evaluation.
  works = value: (builtins.tryEval (builtins.seq value true)).success;
  drv = machine: machine.config.system.build.toplevel.drvPath;
  # The error of a variant that the caller wrote, or of the plainest machine, says more than that it was left out.
  attempt = name: if added ? ${name} || name == "uefi" then _: true else works;

  # Why a machine cannot be had, or null. A machine on which the configuration itself fails needs nothing: the installer
  # tells that error. `name` is what leaves it out.
  obstacle =
    name: can: machine:
    builtins.addErrorContext ''
      while evaluating the configuration for `${name}`, which it can meet on another machine. To make the image without it:
        variants."${name}" = false;'' (obstacleOf can machine);
  obstacleOf =
    can: machine:
    let
      failed = builtins.filter (assertion: !assertion.assertion) machine.config.assertions;
      refused = refusedOf (listIn machine.config.boot.extraModulePackages);
      others = refusedOf (
        builtins.concatMap (path: packagesAt path machine.options) [
          [
            "environment"
            "systemPackages"
          ]
          [
            "hardware"
            "firmware"
          ]
          [
            "system"
            "fsPackages"
          ]
        ]
      );
      because =
        packages:
        "the configuration does not allow ${
          lib.concatMapStringsSep ", " nameOf packages
        } (unfree, insecure or broken)";
    in
    if !can failed then
      "evaluating the configuration for it fails"
    else if failed != [ ] then
      "the configuration refuses it: ${(builtins.head failed).message}"
    else if refused != [ ] then
      because refused
    else if can (drv machine) then
      null
    else if others != [ ] then
      because others
    else
      "evaluating the configuration for it fails";
  refusedOf = builtins.filter (package: !works package.outPath);
  nameOf = package: if works (lib.getName package) then lib.getName package else "a package";
  packagesAt =
    path: options:
    listIn (builtins.concatLists (lib.attrByPath (path ++ [ "definitions" ]) [ ] options));
  listIn = value: if works value then value else [ ];

  # Where the system itself cannot be evaluated, nothing is tried.
  obstacles = builtins.seq (drv target) (
    lib.filterAttrs (_: reason: reason != null) (
      lib.mapAttrs (name: obstacle name (attempt name)) evaluated
    )
  );
  # Why a variant is not on the image.
  skipped = lib.genAttrs droppedVariants (_: "the image was made without it") // obstacles;
  possible = removeAttrs evaluated (builtins.attrNames obstacles);

  # Whether a variant covers what nixos-generate-config can write.
  definitions = family.variants // added;
  machines = evaluated // lib.mapAttrs (_: evaluate) (lib.getAttrs droppedVariants family.variants);
  covers =
    what: name:
    let
      inherit (machines.${name}) config;
      is = condition: works condition && condition;
    in
    {
      attribute = is (lib.attrByPath (lib.splitString "." what.name) false config == true);
      import = builtins.elem what.name definitions.${name}.imports;
      package = builtins.elem what.name (
        map (package: "config.boot.kernelPackages.${package}") definitions.${name}.modulePackages
      );
      filesystem = is (lib.any (fs: fs.fsType == what.name) (builtins.attrValues config.fileSystems));
    }
    .${what.kind};
  coveredBy = names: what: builtins.filter (covers what) names;
  open = builtins.filter (
    what:
    !(what.kind == "attribute" && builtins.elem what.name family.free)
    && coveredBy (builtins.attrNames possible) what == [ ]
  ) written.features;
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
  known = builtins.filter (what: because what != null) open;
  new = builtins.filter (what: because what == null) open;

  # Each is a variant of its own: a boolean may switch something off that another one needs. File systems need only
  # their tools, and are one, as long as that can be had.
  automatic = import ./automatic.nix {
    inherit
      lib
      target
      modules
      family
      evaluate
      new
      ;
    obstacle = name: obstacle name works;
  };
in
{
  # The family's own machines that can be had, and those that were found.
  machines = possible // automatic.machines;
  # All that were tried, to look into: why one of them cannot be evaluated.
  tried = evaluated // automatic.tried;
  # The variants that are not on the image, with the reason.
  inherit skipped;
  # What is covered although variants.nix does not know it.
  automatic = automatic.covered;
  # What is not known and not covered, with the reason.
  inherit (automatic) uncovered;
  # What a hardware configuration must not have, with the reason: for the installer's settings.
  refuse = map (what: what // { reason = because what; }) known ++ automatic.uncovered;
  # Said when the image is evaluated.
  warnings =
    let
      list =
        title: lines:
        if lines == [ ] then
          [ ]
        else
          [ "${title}\n${lib.concatMapStringsSep "\n" (line: "  ${line}") lines}" ];
      what = one: "${one.name} (${one.kind})";
    in
    list "This image will not install on every machine. Left out:" (
      lib.mapAttrsToList (name: why: "${name} (${definitions.${name}.reason or ""}): ${why}") obstacles
    )
    ++ list ''
      The nixos-generate-config of this nixpkgs can write what this version of nix-cfg-install does not know. The image
      holds what it needs:'' (map what automatic.covered)
    ++ list ''
      The nixos-generate-config of this nixpkgs can write what the image does not hold. The installer refuses a machine
      that has it:'' (map (one: "${what one}: ${one.reason}") automatic.uncovered)
    ++ list "The nixos-generate-config of this nixpkgs cannot write what `variants` leaves out:" ofAnother
    ++ lib.optional (written.unreadable != null) ''
      What the nixos-generate-config of this nixpkgs can write is not known: ${written.unreadable}. The image is for the
      machines that this version of nix-cfg-install knows.'';
  # The typing errors of the caller are refused.
  checked =
    if misspelt == [ ] then
      value: value
    else
      throw "There is no variant ${toString misspelt}. There are: ${toString family.names}";
}
