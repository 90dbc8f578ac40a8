# Variants for what nixos-generate-config can write and variants.nix does not cover.
{
  lib,
  target,
  # nixpkgs' nixos/modules, as a path.
  modules,
  # variants.nix, evaluated.
  family,
  # `examine NAME VARIANT` gives the `reason` why its machine cannot be supported, or null; and its `drv`.
  examine,
  # The features that are not covered, as `nix-cfg-iso hardware-features` prints them.
  new,
}:
let
  kernelPackages = "config.boot.kernelPackages.";

  # A feature's `variant`, or the `reason` why it has none.
  proposal =
    what:
    let
      path = lib.splitString "." what.name;
      option = lib.attrByPath path null target.options;
      package = lib.removePrefix kernelPackages what.name;
      is =
        condition: reason: variant:
        if condition then { inherit variant; } else { inherit reason; };
    in
    {
      attribute = is (
        option._type or null == "option" && option.type.description or null == "boolean"
      ) "it is not a boolean option" { module = lib.setAttrByPath path true; };
      import = is (builtins.pathExists (modules + what.name)) "this nixpkgs has no such module" {
        imports = [ what.name ];
      };
      package = is (
        lib.hasPrefix kernelPackages what.name && target.config.boot.kernelPackages ? ${package}
      ) "it is not a package of kernel modules" { modulePackages = [ package ]; };
      filesystem.variant = withFileSystems [ what ];
    }
    .${what.kind};
  withFileSystems = types: {
    module.fileSystems = lib.mapAttrs' (name: lib.nameValuePair "/variant/${name}") (
      lib.genAttrs (map (what: what.name) types) family.fileSystem
    );
  };

  # A variant has the name of what it covers. File systems have a prefix, because `zfs` is a name in variants.nix.
  nameOf = what: if what.kind == "filesystem" then "fileSystems.${what.name}" else what.name;
  try =
    name: covers: proposed:
    let
      variant = if proposed ? variant then family.unknown proposed.variant else null;
      examined = examine (builtins.head covers).name variant;
    in
    {
      inherit name covers variant;
      reason = proposed.reason or examined.reason;
      inherit (examined) drv;
    };

  isFileSystem = what: what.kind == "filesystem";
  filesystems = builtins.filter isFileSystem new;
  together = try "fileSystems" filesystems { variant = withFileSystems filesystems; };
  apart = map (what: try (nameOf what) [ what ] (proposal what));
  others = apart (builtins.filter (what: !isFileSystem what) new);
  tried =
    others
    ++ (
      if filesystems == [ ] then
        [ ]
      else if together.reason == null then
        [ together ]
      else
        apart filesystems
    );
  taken = builtins.filter (one: one.reason == null) tried;
  named = what: ones: builtins.listToAttrs (map (one: lib.nameValuePair one.name one.${what}) ones);
in
{
  drvs = named "drv" taken;
  tried = named "variant" (builtins.filter (one: one.variant != null) tried);
  covered = builtins.concatMap (one: one.covers) taken;
  uncovered = builtins.concatMap (one: map (what: what // { inherit (one) reason; }) one.covers) (
    builtins.filter (one: one.reason != null) tried
  );
}
