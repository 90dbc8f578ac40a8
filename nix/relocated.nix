# The same system from a copy of its tree at another store path. On the target the tree has another path too, because its
# hardware-configuration.nix is another: what is made from "${self}/…" is made again there.
{
  # The folder with the configuration.
  configuration,
  # For a flake: the flake, and the name of the host.
  flake ? null,
  host ? null,
  # For a channel configuration: from the path of a configuration.nix to its system.
  evaluate ? null,
}:
let
  copy = builtins.path {
    path = configuration;
    name = "relocated";
  };
  outputs = (import "${copy}/flake.nix").outputs (flake.inputs // { inherit self; });
  # As Nix's own call-flake.nix makes it, with another place.
  self =
    flake
    // outputs
    // {
      inherit outputs;
      outPath = "${copy}";
    };
in
if flake == null then evaluate (copy + "/configuration.nix") else self.nixosConfigurations.${host}
