# Two machines, for a real nixpkgs: one of each boot loader.
{
  inputs.nixpkgs.url = "nixpkgs"; # `build` names its copy

  outputs =
    { nixpkgs, ... }:
    let
      host =
        name: loader:
        nixpkgs.lib.nixosSystem {
          modules = [
            ./hardware-configuration.nix
            {
              boot.kernelParams = [
                "console=tty0"
                "console=ttyS0,115200n8"
              ];
              boot.loader = loader;
              networking.hostName = name;
              services.openssh.enable = true;
              users.users.root.initialHashedPassword = "$6$demo$xaYAg242RG/EY4k/kcP49.T.9VhXcRON0IgP0S5Gd6sjdtt8oMWkfCFu.PE6zK1w/06gz0EXGQVnxkVH2TZxG0";
              system.stateVersion = "26.05";
            }
          ];
        };
    in
    {
      nixosConfigurations = {
        alpha = host "alpha" { systemd-boot.enable = true; };
        beta = host "beta" { grub.device = "/dev/vda"; };
      };
    };
}
