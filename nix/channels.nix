# Look-ups (`<home-manager/nixos>`) in a pure evaluation, which has no search path. Nix reads `<x>` as
# `__findFile __nixPath "x"` and takes both names from the scope of the file: the files of a configuration and of its
# channels are read in a scope that has the channels of the ISO.
{
  # The nixpkgs that the configuration is evaluated with.
  nixpkgs,
  # More channels, by their names: { home-manager = …; }.
  channels,
  # The file that <nixos-config> is.
  configuration,
  # What `builtins.currentSystem` is on the target.
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
    # Not "${…}": of a file that would be a copy, and its copy again another one.
    path = toString all.${prefix};
  }) (builtins.attrNames all);

  # `scopedImport` keeps nothing that it read: the files of a nixpkgs, which are read many times, are left to `import`. One of
  # them looks something up (24.05 and 26.11), for system.copySystemConfiguration.
  folders = map (input: "${input}") (builtins.attrValues (removeAttrs all [ "nixos-config" ]));
  large = builtins.filter (path: builtins.pathExists "${path}/nixos/lib/eval-config.nix") folders;
  exception = "/nixos/modules/system/activation/top-level.nix";
  isLarge =
    path:
    let
      text = builtins.unsafeDiscardStringContext (toString path);
      within =
        folder:
        builtins.substring 0 (builtins.stringLength folder) text == folder && text != folder + exception;
    in
    builtins.any (folder: within (builtins.unsafeDiscardStringContext folder)) large;

  # A pure evaluation knows no system of its own: `import <nixpkgs> { }` gets that of the target.
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
  # nixpkgs' lib, whose module system reads modules in that scope.
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
