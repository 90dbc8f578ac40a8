# The entry point: `(import ./nix { }).mkOfflineIso { … }`.
{
  # From `pkgs` to the package with bin/nix-cfg-install and bin/nix-cfg-iso for the live system.
  package ? pkgs: pkgs.callPackage ./prebuilt.nix { },
}:
{
  # Makes an installer ISO for a configuration; mk-offline-iso.nix describes the arguments.
  mkOfflineIso = import ./mk-offline-iso.nix { inherit package; };

  nixosModules = {
    # For a live system of your own.
    offline-installer =
      { pkgs, lib, ... }:
      {
        imports = [ ./offline-installer.nix ];
        offlineInstaller.package = lib.mkDefault (package pkgs);
      };
    # For the installed system.
    health-check = ./health-check.nix;
    update-launcher = ./update-launcher.nix;
  };

  # The source paths and NAR hashes of all inputs of a flake, nested ones included.
  inputsOf = import ./inputs-of.nix { };
}
