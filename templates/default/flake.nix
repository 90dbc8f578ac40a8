{
  description = "A machine, and the installer ISO that makes it without a network";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.nix-cfg-install.url = "github:nix-cfg-install/nix-cfg-install";

  outputs =
    {
      self,
      nixpkgs,
      nix-cfg-install,
    }:
    {
      nixosConfigurations.machine = nixpkgs.lib.nixosSystem {
        modules = [ ./configuration.nix ];
      };

      # nix build .#iso
      iso = nix-cfg-install.lib.mkOfflineIso {
        flake = self;
        configuration = ./.;
        hosts = [ "machine" ];
      };
    };
}
