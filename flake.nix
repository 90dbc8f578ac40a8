{
  description = "Install your own NixOS configuration on a machine that has no network";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      eachSystem =
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
      # One package holds both programs; `nix run` starts the one that the attribute names.
      packages = eachSystem (
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
        description = "A NixOS machine, and the ISO that installs it without a network";
      };

      checks = eachSystem (
        pkgs:
        let
          # Runs cargo on the whole repository with the vendored dependencies, and keeps nothing.
          cargo =
            name: tools: command:
            (pkgs.callPackage ./nix/package.nix { }).overrideAttrs (old: {
              pname = "nix-cfg-install-${name}";
              src = self;
              nativeBuildInputs = old.nativeBuildInputs ++ tools;
              buildPhase = command;
              postBuild = null;
              installPhase = "touch $out";
              postInstall = null;
            });
        in
        {
          package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          fmt = cargo "fmt" [ pkgs.rustfmt ] "cargo fmt --all --check";
          clippy = cargo "clippy" [
            pkgs.clippy
          ] "cargo clippy --offline --workspace --all-targets -- --deny warnings";
          unit-tests = cargo "unit-tests" [
            pkgs.git
          ] "cargo test --offline";
        }
      );

      # Builds, unit tests and linters. The tests with live systems need Debian as well: see CONTRIBUTING.md.
      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          name = "nix-cfg-install-shell";
          packages = with pkgs; [
            cargo
            cargo-deny
            clippy
            deadnix
            git
            nixfmt
            ruff
            rust-analyzer
            rustc
            rustfmt
            shellcheck
            typos
          ];
        };
      });

      # nixfmt-tree and not nixfmt, because `nix fmt` passes a directory.
      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
