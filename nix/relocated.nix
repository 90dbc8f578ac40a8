# The same system from a copy of its tree at another store path. On the target the tree has another path as well, because its
# hardware-configuration.nix differs: what is made from "${self}/…" is built again there.
{
  # The directory with the configuration.
  configuration,
  # For a flake: the flake, and the host's name.
  flake ? null,
  host ? null,
  # For a channel configuration: from the path of configuration.nix to its system.
  evaluate ? null,
}:
let
  copy = builtins.path {
    path = configuration;
    name = "relocated";
  };
  outputs = (import "${copy}/flake.nix").outputs (flake.inputs // { inherit self; });
  # As Nix's call-flake.nix makes it, with another outPath.
  self =
    flake
    // outputs
    // {
      inherit outputs;
      outPath = "${copy}";
    };
in
if flake == null then evaluate (copy + "/configuration.nix") else self.nixosConfigurations.${host}
