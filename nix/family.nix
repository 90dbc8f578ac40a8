# The machines that an image supports: those of variants.nix, those that the caller adds, and automatic ones for what a newer
# nixos-generate-config can write and variants.nix does not cover. The first and the last never make the evaluation of the image
# fail: what does not evaluate is omitted, and the installer refuses such a machine with the reason.
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
  # A path, because a string would copy all of nixpkgs.
  modules = target.pkgs.path + "/nixos/modules";

  dropped = builtins.filter (name: variants.${name} == false) (builtins.attrNames variants);
  droppedVariants = builtins.filter (
    name: builtins.elem name dropped || builtins.elem (family.variants.${name}.of or null) dropped
  ) (builtins.attrNames family.variants);
  unknown = builtins.filter (
    name: !(builtins.elem name (family.names ++ map (what: what.name) written.features))
  ) dropped;
  # Names of options and modules: nixos-generate-config of another release of nixpkgs may write them.
  ofAnother = builtins.filter (name: builtins.match ".*[./].*" name != null) unknown;
  misspelt = lib.subtractLists ofAnother unknown;
  added = lib.mapAttrs (_: family.added) (lib.filterAttrs (_: builtins.isAttrs) variants);
  named = removeAttrs family.variants droppedVariants // added;

  evaluate =
    variant:
    if isBootLoader variant then onlyBootLoader variant (evaluateAll variant) else evaluateAll variant;
  isBootLoader = variant: variant.bootLoaderOnly or false;
  # A machine that consists of what installs its boot loader. That may be plain text, which is no derivation.
  onlyBootLoader =
    variant: machine:
    let
      inherit (machine.config.system.build) installBootLoader;
    in
    {
      options = { };
      config = {
        assertions = lib.optional (variant ? of) {
          assertion = alone.${variant.of}.reason or null == null;
          message = "${variant.of} is omitted as well";
        };
        boot.extraModulePackages = [ ];
        fileSystems = { };
        system.build.toplevel = target.pkgs.writeText "boot-loader" "${installBootLoader}";
      };
    };
  # All machines share the target's packages, whose evaluation takes most of the time.
  evaluateAll =
    variant:
    target.extendModules {
      modules = [
        (
          { config, lib, ... }:
          {
            imports = map (path: modules + path) variant.imports ++ [ variant.module ];
            disabledModules = hardware;
            # tryEval cannot catch a missing attribute.
            boot.extraModulePackages = map (
              name: config.boot.kernelPackages.${name} or (throw "This kernel has no package ${name}")
            ) variant.modulePackages;
            _module.args.pkgs = lib.mkForce target.pkgs;
            # Nobody has this machine.
            warnings = lib.mkForce [ ];
          }
          # The manual is the same on all machines; `target` has it.
          // lib.optionalAttrs (lib.attrByPath manual null target.options != null) (
            lib.setAttrByPath manual (lib.mkForce false)
          )
        )
      ];
    };
  manual = [
    "documentation"
    "nixos"
    "enable"
  ];

  # tryEval catches `throw` and failed assertions, which all refusals of nixpkgs are, but no error in nixpkgs itself, such as a
  # missing attribute.
  works = value: (builtins.tryEval (builtins.seq value true)).success;
  drv = machine: machine.config.system.build.toplevel.drvPath;
  # The caller's variants and the simplest machine fail with their own error instead of being omitted.
  attempt = name: if added ? ${name} || name == "uefi" then _: true else works;

  # Why a machine cannot be supported, or null. `name` is the variant that omits it. A machine on which the configuration itself
  # fails needs no packages: the installer reports that error.
  obstacle =
    name: can: machine:
    builtins.addErrorContext ''
      while evaluating the configuration for `${name}`, which another machine may have. To omit it from the image:
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

  # What is kept of a machine, so that its evaluation can be freed before the next one: why it cannot be supported, or null; its
  # .drv file; and the features that it covers.
  examine =
    name: can: variant: machine:
    let
      reason = obstacle name can machine;
      kept = {
        inherit reason;
        drv = if reason == null then drv machine else null;
        covers = builtins.filter (covers variant machine) features;
      };
    in
    builtins.deepSeq kept kept;
  features = builtins.filter (
    what: !(what.kind == "attribute" && builtins.elem what.name family.free)
  ) written.features;
  # Whether a machine covers what nixos-generate-config can write.
  covers =
    variant: machine: what:
    let
      inherit (machine) config;
      is = condition: works condition && condition;
    in
    {
      attribute = is (lib.attrByPath (lib.splitString "." what.name) false config == true);
      import = builtins.elem what.name variant.imports;
      package = builtins.elem what.name (
        map (package: "config.boot.kernelPackages.${package}") variant.modulePackages
      );
      filesystem = is (lib.any (fs: fs.fsType == what.name) (builtins.attrValues config.fileSystems));
    }
    .${what.kind};

  # The variants that one machine can be at once, by name. What the configuration does not allow would make it fail.
  parts = lib.filterAttrs (
    _: variant:
    variant.shared or false
    && builtins.all (package: works (package.outPath or (throw "there is none"))) (
      variant.packages or [ ]
      ++ map (name: target.config.boot.kernelPackages.${name} or null) variant.modulePackages
    )
  ) named;
  whole = {
    imports = lib.unique (lib.concatMap (variant: variant.imports) (builtins.attrValues parts));
    modulePackages = lib.concatMap (variant: variant.modulePackages) (builtins.attrValues parts);
    module.imports = map (variant: variant.module) (builtins.attrValues parts);
  };
  wholeName = builtins.concatStringsSep "+" (builtins.attrNames parts);
  # If it does not evaluate, each of them is tried alone.
  together = examine wholeName works whole (evaluate whole);
  # If the system itself does not evaluate, its own error comes first.
  joined = builtins.seq (drv target) (
    builtins.length (builtins.attrNames parts) > 1 && together.reason == null
  );
  alone = lib.mapAttrs (name: variant: examine name (attempt name) variant (evaluate variant)) (
    if joined then removeAttrs named (builtins.attrNames parts) else named
  );

  obstacles = lib.mapAttrs (_: one: one.reason) (lib.filterAttrs (_: one: one.reason != null) alone);
  # Why a variant is not on the image.
  skipped = lib.genAttrs droppedVariants (_: "the image was built without it") // obstacles;
  possible =
    removeAttrs alone (builtins.attrNames obstacles)
    // lib.optionalAttrs joined { ${wholeName} = together; };

  definitions = family.variants // added;
  # What the variants would cover that are not on the image.
  lost =
    lib.mapAttrs (name: _: alone.${name}.covers) obstacles
    // lib.genAttrs droppedVariants (
      name:
      let
        machine = evaluate family.variants.${name};
      in
      builtins.filter (covers family.variants.${name} machine) features
    );
  open = builtins.filter (
    what: !(lib.any (one: builtins.elem what one.covers) (builtins.attrValues possible))
  ) features;
  because =
    what:
    let
      would = builtins.filter (name: builtins.elem what lost.${name}) (builtins.attrNames skipped);
    in
    if family.never ? ${what.name} then
      family.never.${what.name}
    else if would != [ ] then
      "${skipped.${builtins.head would}} (${builtins.head would})"
    else if builtins.elem what.name dropped then
      "the image was built without it"
    else
      null;
  known = builtins.filter (what: because what != null) open;
  new = builtins.filter (what: because what == null) open;

  # Each becomes a variant of its own, because an option may disable what another one needs. File systems only need their tools, and
  # share one variant if that evaluates.
  automatic = import ./automatic.nix {
    inherit
      lib
      target
      modules
      family
      new
      ;
    examine = name: variant: examine name works variant (evaluate variant);
  };
in
{
  # The .drv files of the machines that the image supports, by the name of their variant.
  drvs = lib.mapAttrs (_: one: one.drv) possible // automatic.drvs;
  # All machines that were tried, to find out why one does not evaluate. They are evaluated anew.
  tried =
    lib.mapAttrs (_: evaluate) (named // automatic.tried)
    // lib.optionalAttrs joined { ${wholeName} = evaluate whole; };
  # The .drv file of the machine that needs the least.
  minimal =
    let
      machine = evaluateAll (family.variants.grub or family.variants.uefi);
    in
    drv (if works (drv machine) then machine else evaluateAll family.variants.uefi);
  # Those of which only the boot loader is evaluated.
  bootLoaders = builtins.attrNames (lib.filterAttrs (_: isBootLoader) named);
  # The variants that one machine can be at once: those whose packages the configuration allows.
  parts = builtins.attrNames parts;
  # The variants that are not on the image, with the reason.
  inherit skipped;
  # The features that automatic variants cover.
  automatic = automatic.covered;
  # The features that nothing covers, with the reason.
  inherit (automatic) uncovered;
  # What the installer refuses in a hardware configuration, with the reason: its setting `not-covered`.
  refuse = map (what: what // { reason = because what; }) known ++ automatic.uncovered;
  # Printed when the image is evaluated.
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
    list "This image does not support every machine. Omitted:" (
      lib.mapAttrsToList (name: why: "${name} (${definitions.${name}.reason or ""}): ${why}") obstacles
    )
    ++ list ''
      The nixos-generate-config of this nixpkgs can write what this version of nix-cfg-install does not know. The image
      supports it:'' (map what automatic.covered)
    ++ list ''
      The nixos-generate-config of this nixpkgs can write what the image does not support. The installer refuses a machine
      that needs it:'' (map (one: "${what one}: ${one.reason}") automatic.uncovered)
    ++ list "The nixos-generate-config of this nixpkgs cannot write what `variants` omits:" ofAnother
    ++ lib.optional (written.unreadable != null) ''
      What the nixos-generate-config of this nixpkgs can write is not known: ${written.unreadable}. The image
      supports the machines that this version of nix-cfg-install knows.'';
  # Refuses misspelt names in `variants`.
  checked =
    if misspelt == [ ] then
      value: value
    else
      throw "There is no variant ${toString misspelt}. The variants are: ${toString family.names}";
}
