# What a test asks about a system of systems.nix: its closure, and the derivations of `machines` and of `changed`.
{
  nixpkgs,
  tool,
  system,
  variants ? { },
  # Hardware configurations, by name, that take the place of the system's own.
  machines ? { },
  # Modules, by name, that are added to the system.
  changed ? { },
  more ? { },
}:
let
  hardware = ./hardware-configuration.nix;
  target = import (nixpkgs + "/nixos/lib/eval-config.nix") {
    system = null;
    modules = [
      (import ./systems.nix).${system}
      more
    ];
  };
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
}
