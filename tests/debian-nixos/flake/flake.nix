# Two machines, for a real nixpkgs: a new one with systemd-boot, and one with GRUB whose disk disko lays out.
{
  # `build` locks its copies of both.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs";
  inputs.disko.url = "github:nix-community/disko";
  inputs.disko.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, disko, ... }:
    let
      host =
        name: modules:
        nixpkgs.lib.nixosSystem {
          modules = [
            ./common.nix
            ./${name}/hardware-configuration.nix
            { networking.hostName = name; }
          ]
          ++ modules;
        };
    in
    {
      nixosConfigurations = {
        alpha = host "alpha" [ { boot.loader.systemd-boot.enable = true; } ];
        beta = host "beta" [
          disko.nixosModules.disko
          ./beta/disk.nix
        ];
      };
    };
}
