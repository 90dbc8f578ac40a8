# Look-ups (`<home-manager/nixos>`) in a pure evaluation, which has no search path. Nix translates `<x>` to
# `__findFile __nixPath "x"` and resolves both names in the scope of the file. So the files of a configuration and of its
# channels are imported with a scope that has the ISO's channels.
{
  # The nixpkgs that evaluates the configuration.
  nixpkgs,
  # More channels by name: { home-manager = …; }.
  channels,
  # The file that <nixos-config> is.
  configuration,
  # `builtins.currentSystem` on the target.
  system,
}:
let
  # `nixos` is the name of the same channel on an installed machine.
  all = {
    inherit nixpkgs;
    nixos = nixpkgs;
    nixos-config = configuration;
  }
  // channels;
  nixPath = map (prefix: {
    inherit prefix;
    # Not "${…}": that would copy a file to the store, and copy its copy under yet another name.
    path = toString all.${prefix};
  }) (builtins.attrNames all);

  # `scopedImport` caches nothing, and the files of a nixpkgs are read many times: they use `import`. Except for one that has a
  # look-up (24.05 and 26.11), for system.copySystemConfiguration.
  directories = map (input: "${input}") (builtins.attrValues (removeAttrs all [ "nixos-config" ]));
  large = builtins.filter (path: builtins.pathExists "${path}/nixos/lib/eval-config.nix") directories;
  exception = "/nixos/modules/system/activation/top-level.nix";
  isLarge =
    path:
    let
      text = builtins.unsafeDiscardStringContext (toString path);
      within =
        directory:
        builtins.substring 0 (builtins.stringLength directory) text == directory
        && text != directory + exception;
    in
    builtins.any (directory: within (builtins.unsafeDiscardStringContext directory)) large;

  # A pure evaluation has no current system: `import <nixpkgs> { }` gets the target's.
  withSystem =
    value:
    if builtins.isFunction value && (builtins.functionArgs value).system or false then
      {
        __functor = _: args: value ((if args ? localSystem then { } else { inherit system; }) // args);
        __functionArgs = builtins.functionArgs value;
      }
    else
      value;

  scope = {
    __nixPath = nixPath;
    __currentSystem = system;
    import = path: if isLarge path then withSystem (import path) else builtins.scopedImport scope path;
    scopedImport = more: builtins.scopedImport (scope // more);
    builtins = builtins // {
      inherit (scope) import scopedImport;
      inherit nixPath;
      currentSystem = system;
    };
  };

  plain = import "${nixpkgs}/lib";
in
{
  # nixpkgs' lib, with a module system that imports modules in this scope.
  lib = plain.extend (
    final: _prev:
    let
      modules = builtins.scopedImport scope "${nixpkgs}/lib/modules.nix" { lib = final; };
    in
    {
      inherit modules;
      inherit (modules) evalModules;
    }
  );
}
