{
  description = "Two machines, as flakes have them";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
    tools.url = "github:example/tools";
    tools.inputs.nixpkgs.follows = "nixpkgs";
    dotfiles = {
      url = "github:example/dotfiles";
      flake = false;
    };
  };

  outputs =
    {
      nixpkgs,
      tools,
      dotfiles,
      ...
    }:
    let
      host =
        name:
        nixpkgs.lib.nixosSystem {
          system = "x86_64-linux";
          specialArgs = { inherit dotfiles; };
          modules = [
            tools.nixosModules.default
            ./hosts/${name}
            { networking.hostName = name; }
          ];
        };
    in
    {
      nixosConfigurations.alpha = host "alpha";
      nixosConfigurations.beta = host "beta";
    };
}
