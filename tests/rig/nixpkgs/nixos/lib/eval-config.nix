{
  system ? builtins.currentSystem,
  modules,
  specialArgs ? { },
}:
let
  lib = import ../../lib;
in
lib.evalModules {
  modules = import ../modules/module-list.nix ++ [ { nixpkgs.system = system; } ] ++ modules;
  specialArgs = {
    modulesPath = toString ../modules;
  }
  // specialArgs;
}
