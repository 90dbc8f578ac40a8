# The door of channel configurations: `<nixpkgs/nixos>`.
{
  configuration ? import <nixos-config>,
  system ? builtins.currentSystem,
}:
let
  isFile = builtins.tryEval <nixos-config>;
  evaluated = import ./lib/eval-config.nix {
    inherit system;
    # By its path where it has one: errors then name the file.
    modules = [ (if isFile.success then <nixos-config> else configuration) ];
  };
in
{
  inherit (evaluated) config options pkgs;
  system = evaluated.config.system.build.toplevel;
}
