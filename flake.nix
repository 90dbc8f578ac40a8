{
  description = "Install your own NixOS configuration on a machine that has no network";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each =
        attributes:
        lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
        ] (system: attributes nixpkgs.legacyPackages.${system});
      installer = import ./nix {
        package = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system}.default;
      };
    in
    {
      # One package with both programs; `nix run` starts the one of the name.
      packages = each (
        pkgs:
        let
          package = pkgs.pkgsStatic.callPackage ./nix/package.nix { };
        in
        {
          default = package;
          nix-cfg-install = package;
          nix-cfg-iso = lib.addMetaAttrs { mainProgram = "nix-cfg-iso"; } package;
        }
      );

      inherit (installer) nixosModules;
      lib = { inherit (installer) mkOfflineIso; };

      templates.default = {
        path = ./templates/default;
        description = "A machine, and the installer ISO that makes it without a network";
      };

      checks = each (pkgs: {
        package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
      });
      # Not nixfmt itself: `nix fmt` hands over a folder.
      formatter = each (pkgs: pkgs.nixfmt-tree);
    };
}
