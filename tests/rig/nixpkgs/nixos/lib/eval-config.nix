{
  system ? builtins.currentSystem,
  modules,
  specialArgs ? { },
  lib ? import ../../lib,
}:
lib.evalModules {
  modules = import ../modules/module-list.nix ++ [ { nixpkgs.system = system; } ] ++ modules;
  specialArgs = {
    modulesPath = toString ../modules;
  }
  // specialArgs;
}
