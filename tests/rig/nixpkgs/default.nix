# The packages, as `import <nixpkgs> { }` gives them.
{
  config ? { },
  system ? builtins.currentSystem,
  overlays ? [ ],
  ...
}:
let
  final = builtins.foldl' (packages: overlay: packages // overlay final packages) (import ./pkgs {
    inherit config system;
  }) overlays;
in
final
