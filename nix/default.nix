# The door to everything here: `(import ./nix { }).mkOfflineIso { … }`.
{
  # How the programs of the live system are made: from `pkgs` to a package with bin/nix-cfg-install and bin/nix-cfg-iso.
  package ? pkgs: pkgs.callPackage ./prebuilt.nix { },
}:
{
  # An installer ISO for a configuration; mk-offline-iso.nix says what it takes.
  mkOfflineIso = import ./mk-offline-iso.nix { inherit package; };

  # The live system's part, for people who make their live system themselves.
  nixosModules.offline-installer =
    { pkgs, lib, ... }:
    {
      imports = [ ./offline-installer.nix ];
      offlineInstaller.package = lib.mkDefault (package pkgs);
    };

  # The sources and hashes of all inputs of a flake, nested ones included.
  inputsOf = import ./inputs-of.nix { };
}
