# What a test asks about a system of systems.nix: its closure, and the derivations of `machines`, of `changed` and of `others`.
{
  nixpkgs,
  tool,
  system,
  variants ? { },
  # Hardware configurations, by name, that take the place of the system's own.
  machines ? { },
  # Modules, by name, that are added to the system.
  changed ? { },
  # Configurations, by name, in place of the system's.
  others ? { },
  more ? { },
}:
let
  hardware = ./hardware-configuration.nix;
  evaluate =
    module:
    import (nixpkgs + "/nixos/lib/eval-config.nix") {
      system = null;
      modules = [
        module
        more
      ];
    };
  target = evaluate (import ./systems.nix).${system};
  closure = import ../../nix/closure.nix {
    inherit target tool variants;
    hardware = [ hardware ];
  };
  drv = evaluated: builtins.unsafeDiscardStringContext evaluated.config.system.build.toplevel.drvPath;
  with' =
    modules:
    target.extendModules {
      modules = modules ++ [
        ({ lib, ... }: { _module.args.pkgs = lib.mkForce target.pkgs; })
      ];
    };
in
{
  open = import ../../nix/decided.nix target;
  inherit (closure)
    automatic
    facts
    refuse
    skipped
    uncovered
    warnings
    ;
  storePaths = map builtins.unsafeDiscardStringContext closure.storePaths;
  machines = builtins.mapAttrs (
    _: file:
    drv (with' [
      file
      { disabledModules = [ hardware ]; }
    ])
  ) machines;
  changed = builtins.mapAttrs (_: module: drv (with' [ module ])) changed;
  others = builtins.mapAttrs (_: module: drv (evaluate module)) others;
}
