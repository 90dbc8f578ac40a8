# The packages, as `import <nixpkgs> { }` gives them.
{
  config ? { },
  system ? builtins.currentSystem or "x86_64-linux",
  ...
}:
import ./pkgs { inherit config system; }
