{
  description = "A flake with inputs of its own";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
  inputs.extra.url = "github:example/extra";

  outputs =
    { nixpkgs, extra, ... }:
    {
      nixosModules.default = { pkgs, ... }: {
        environment.systemPackages = [ pkgs.hello ];
        environment.etc."tools".text = "${extra.greeting} from ${nixpkgs.lib.version}\n";
      };
    };
}
