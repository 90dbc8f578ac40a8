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
  # The same system from a copy of its tree at another store path, as it will be on the target (relocated.nix).
  relocated ? null,
  # Where import from derivation is forbidden: the file that `nix-cfg-iso pin` wrote.
  list ? null,
}:
let
  inherit (target.pkgs) lib;
  inherit (target.pkgs.stdenv.hostPlatform) system;

  # What says what nixos-generate-config can write: its source, or null where this nixpkgs has it in a place that is not
  # known, and the modules for file systems.
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
  # For each variant the derivation of its system.
  drvsOf =
    family:
    lib.mapAttrs (_: machine: machine.config.system.build.toplevel.drvPath) (
      family.checked (
        {
          inherit target;
        }
        // family.machines
        // (if relocated == null then { } else { inherit relocated; })
      )
    );

  # A derivation of the tool, and what it wrote. Its output names .drv files, and to keep them Nix would have to keep all that
  # they need: nothing but the text is used.
  read = file: builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile file));
  ask =
    name: args:
    builtins.addErrorContext
      ''
        while finding out what the image must hold: the derivations are read during the evaluation. Where import from
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
      drvs = drvsOf family;
    in
    {
      inherit family drvs;
      facts = ask "offline-closure.json" (
        [ "frontier" ]
        # Else realising this would first build all of it.
        ++ lib.mapAttrsToList (name: drv: "${name}=${builtins.unsafeDiscardOutputDependency drv}") drvs
      );
    };
  pinned =
    let
      plain = lib.mapAttrs (_: builtins.unsafeDiscardStringContext);
      system = builtins.unsafeDiscardStringContext target.config.system.build.toplevel.drvPath;
      candidates = map (facts: rec {
        inherit facts;
        family = familyFor facts.written;
        drvs = drvsOf family;
      }) (builtins.filter (facts: facts.roots.target == system && facts ? written) (read list));
      fresh = builtins.filter (one: plain one.drvs == one.facts.roots) candidates;
    in
    if fresh != [ ] then
      builtins.head fresh
    else
      throw ''
        ${toString list} is not of this configuration and this nixpkgs. Make it again:
          nix-cfg-iso pin DIR'';
  inherit (if list == null then found else pinned) facts family drvs;

  # Paths become dependencies again: the .drv files are there, because their evaluation was forced.
  depend =
    entry:
    lib.mapAttrsToList (
      output: path: builtins.appendContext path { ${entry.drv}.outputs = [ output ]; }
    ) entry.outputs;
in
{
  inherit facts drvs sources;
  # The derivations of the variants where `nix-cfg-iso pin` reads what can be written.
  drvsFor = written: drvsOf (familyFor written);
  inherit (family)
    automatic
    refuse
    skipped
    tried
    uncovered
    warnings
    ;
  # What the image's store must hold besides the runtime closure of the target.
  storePaths = builtins.foldl' (
    value: text: lib.warnIf true text value
  ) (lib.concatMap depend facts.frontier) family.warnings;
}
