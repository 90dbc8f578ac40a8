{
  system ? builtins.currentSystem,
  modules,
  specialArgs ? { },
}:
let
  lib = import ../../lib;
  evaluated = lib.evalModules {
    modules = import ../modules/module-list.nix ++ [ { nixpkgs.system = system; } ] ++ modules;
    specialArgs = {
      modulesPath = toString ../modules;
    }
    // specialArgs;
  };
  inherit (evaluated) config;
  failed = map (assertion: assertion.message) (
    builtins.filter (assertion: !assertion.assertion) config.assertions
  );
in
if failed != [ ] then
  throw "\nFailed assertions:\n${builtins.concatStringsSep "\n" (map (text: "- ${text}") failed)}"
else
  evaluated
