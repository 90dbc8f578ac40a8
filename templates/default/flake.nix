{
  description = "A NixOS machine, and the ISO that installs it without a network";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
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

      # nix build .#iso; nix-cfg-install's docs/iso.md describes the arguments.
      iso = nix-cfg-install.lib.mkOfflineIso {
        flake = self;
        configuration = ./.;
        hosts = [ "machine" ];
      };
      # nix run .#try, which boots it in QEMU
      try = self.iso.try;
    };
}
