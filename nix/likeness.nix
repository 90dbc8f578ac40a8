# What decides which packages the variants of a system need, as a hash. Systems with the same one differ in what is rebuilt on each
# machine anyway: names, users, addresses, files in /etc. A module that brings a package for some hardware on one of them only, by a
# condition that leaves no trace in the system itself, is not seen: the installer's check refuses that machine.
{
  # As `nixosSystem` returns it.
  target,
  # From family.nix.
  family,
  # The packages that it is made of: the frontier of the system alone, from `nix-cfg-iso frontier`.
  frontier,
}:
let
  inherit (target) pkgs;
  inherit (pkgs) lib;

  # Null if it throws.
  attempt =
    value:
    let
      result = builtins.tryEval value;
    in
    if result.success then result.value else null;
  # Functions cannot be compared.
  isPlain =
    value:
    builtins.isBool value
    || builtins.isInt value
    || builtins.isString value
    || builtins.isList value && builtins.all builtins.isString value;
  plain = lib.filterAttrs (_: value: attempt (isPlain value) == true);
in
builtins.hashString "sha256" (
  builtins.unsafeDiscardStringContext (
    builtins.toJSON {
      packages = builtins.sort builtins.lessThan (
        builtins.concatMap (entry: builtins.attrValues entry.outputs) frontier
      );
      # What the variant `choices` answers.
      decided = builtins.attrNames (import ./decided.nix target).decided;
      # What nixpkgs refuses, and how it configures packages.
      inherit (family) parts;
      config = plain (pkgs.config or { });
      # Only by the names of the packages that each changes.
      overlays = map (overlay: attempt (builtins.attrNames (overlay pkgs pkgs))) (pkgs.overlays or [ ]);
    }
  )
)
