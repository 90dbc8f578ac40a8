{
  description = "A miniature nixpkgs: the same doors as the real one, and builders that need no network";

  outputs =
    { self }:
    {
      lib = import ./lib // {
        nixosSystem =
          args:
          import ./nixos/lib/eval-config.nix (
            {
              system = null;
            }
            // args
          );
      };
      legacyPackages.x86_64-linux = import self { system = "x86_64-linux"; };
    };
}
